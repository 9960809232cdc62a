/* Dead letters: messages of NAME-dlq.
 *
 * SQS lets nobody look at a message without receiving it.  So who peeks hides
 * up to SQS_PEEK_MAX dead letters from others, for 30 s or until the connection
 * is closed, and takes from these; beyond that many the rest shows when these
 * are taken. */
#pragma once

#include "queue/sqs_receive.h"

#define SQS_PEEK_MAX 1000

int sqs_dead_letter(struct queue *queue, const struct queue_message *message,
                    const char *reason, struct err *err);
int sqs_dead_peek(struct queue *queue, const char *name, const char *after,
                  size_t max, struct queue_message *ret, size_t *ret_count,
                  char ret_next[QUEUE_HANDLE_SIZE], struct err *err);
int sqs_dead_take(struct queue *queue, const char *name, const char *handle,
                  bool resend, struct err *err);
/* Shows others again what is hidden from them. */
void sqs_dead_give_back(struct sqs *sqs);
