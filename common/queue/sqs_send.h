/* Sending letters: SendMessageBatch, each entry repeated until SQS has spoken
 * its last word on it. */
#pragma once

#include "queue/driver.h"

int sqs_send(struct queue *queue, struct queue_letter *letters, size_t count,
             struct err *err);
