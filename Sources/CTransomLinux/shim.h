// What Swift's Glibc module does not show of Linux: epoll, eventfd, accept4, sockets' options.
#ifndef CTRANSOM_LINUX_H
#define CTRANSOM_LINUX_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

/// `epoll_event` holds a union, which Swift reads poorly: a token in, a token out.
static inline int ctransom_epoll_add(int epoll, int descriptor, unsigned int events,
                                     unsigned long long token) {
  struct epoll_event event = {.events = events, .data = {.u64 = token}};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

static inline int ctransom_epoll_remove(int epoll, int descriptor) {
  struct epoll_event event = {0};
  return epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, &event);
}

static inline unsigned long long ctransom_epoll_token(const struct epoll_event *event) {
  return event->data.u64;
}

/// The number of bytes that can be read from a socket at once, or -1.
static inline int ctransom_readable_bytes(int descriptor) {
  int count = 0;
  return ioctl(descriptor, FIONREAD, &count) == 0 ? count : -1;
}

#endif
