#include "runtime/mailbox.h"

#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "runtime/flight.h"

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

int
mailbox_open(struct mailbox *box, struct err *err)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0) {
        return err_errno(err, ERR_FATAL, "eventfd");
    }
    *box = (struct mailbox){.fd = fd};
    pthread_mutex_init(&box->lock, NULL);
    box->end = &box->first;
    return 0;
}

void
mailbox_close(struct mailbox *box)
{
    if (box->end == NULL) {
        return;
    }
    for (struct mail *mail = box->first, *next; mail != NULL; mail = next) {
        next = mail->next;
        mail_free(&mail);
    }
    cleanup_close(&box->fd);
    pthread_mutex_destroy(&box->lock);
    *box = (struct mailbox){.fd = -1};
}

void
mailbox_post(struct mailbox *box, struct mail *mail)
{
    pthread_mutex_lock(&box->lock);
    bool was_empty = box->first == NULL;
    mail->next = NULL;
    *box->end = mail;
    box->end = &mail->next;
    pthread_mutex_unlock(&box->lock);
    if (was_empty) {
        eventfd_write(box->fd, 1);
    }
}

struct mail *
mailbox_take(struct mailbox *box)
{
    eventfd_t ignored;

    /* Cleared first: a post in between leaves the descriptor readable. */
    eventfd_read(box->fd, &ignored);
    pthread_mutex_lock(&box->lock);
    struct mail *first = box->first;
    box->first = NULL;
    box->end = &box->first;
    pthread_mutex_unlock(&box->lock);
    return first;
}

void
mailbox_wait(struct mailbox *box, int64_t timeout_ms)
{
    struct pollfd poll_fd = {.fd = box->fd, .events = POLLIN};

    poll(&poll_fd, 1, timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms);
}
