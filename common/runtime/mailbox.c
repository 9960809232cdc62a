#include "runtime/mailbox.h"

#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "runtime/run.h"

struct mail *
mail_new(enum mail_kind kind, struct run *run)
{
    struct mail *mail = xcalloc(1, sizeof(*mail));

    mail->kind = kind;
    mail->run = run;
    return mail;
}

void
mail_free(struct mail **mail)
{
    if (*mail == NULL) {
        return;
    }
    run_unref((*mail)->run);
    free((*mail)->bytes);
    free(*mail);
    *mail = NULL;
}

void
mail_append(struct mail_list *list, struct mail *mail)
{
    mail->next = NULL;
    *(list->first != NULL ? &list->last->next : &list->first) = mail;
    list->last = mail;
}

struct mail *
mail_take(struct mail_list *list)
{
    struct mail *mail = list->first;

    if (mail != NULL) {
        list->first = mail->next;
    }
    return mail;
}

void
mail_list_free(struct mail_list *list)
{
    struct mail *mail;

    while ((mail = mail_take(list)) != NULL) {
        mail_free(&mail);
    }
}

int
mailbox_open(struct mailbox *box, struct err *err)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0) {
        return err_errno(err, ERR_FATAL, "eventfd");
    }
    *box = (struct mailbox){.fd = fd};
    pthread_mutex_init(&box->lock, NULL);
    return 0;
}

void
mailbox_close(struct mailbox *box)
{
    if (box->fd >= 0) {
        mail_list_free(&box->list);
        close(box->fd);
        pthread_mutex_destroy(&box->lock);
    }
    box->fd = -1;
}

void
mailbox_post(struct mailbox *box, struct mail *mail)
{
    pthread_mutex_lock(&box->lock);
    bool was_empty = box->list.first == NULL;
    mail_append(&box->list, mail);
    pthread_mutex_unlock(&box->lock);
    if (was_empty) {
        eventfd_write(box->fd, 1);
    }
}

struct mail_list
mailbox_take(struct mailbox *box)
{
    eventfd_t ignored;

    /* Cleared first: a post in between leaves the descriptor readable. */
    eventfd_read(box->fd, &ignored);
    pthread_mutex_lock(&box->lock);
    struct mail_list list = box->list;
    box->list = (struct mail_list){0};
    pthread_mutex_unlock(&box->lock);
    return list;
}

void
mailbox_wait(struct mailbox *box, int64_t timeout_ms)
{
    struct pollfd poll_fd = {.fd = box->fd, .events = POLLIN};

    poll(&poll_fd, 1, timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms);
}
