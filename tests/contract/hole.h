/* A server that is there and never answers: it listens, and that is all. */
#pragma once

#include "test.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct hole {
    int fd;
    int port;
};

static inline struct hole
hole_open(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    struct hole hole = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    assert_int_equal(bind(hole.fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(hole.fd, 16), 0);
    getsockname(hole.fd, (struct sockaddr *)&address, &size);
    hole.port = ntohs(address.sin_port);
    return hole;
}
