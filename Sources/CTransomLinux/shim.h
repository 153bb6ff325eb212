// What Swift's Glibc module does not show of Linux: epoll, eventfd, accept4, sockets' options.
#ifndef CTRANSOM_LINUX_H
#define CTRANSOM_LINUX_H

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

// Declared here, not by _GNU_SOURCE: with that, types such as fd_set differ from those of Swift's own
// Glibc module, and whoever imports both does not compile.
extern int accept4(int, struct sockaddr *, socklen_t *, int);
extern int pthread_setname_np(pthread_t, const char *);

/// The soft limit of descriptors becomes the hard one, or `most` if that is less; -1 if it cannot be.
static inline int ctransom_raise_open_files(unsigned long long most) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
  rlim_t wanted = limit.rlim_max < most ? limit.rlim_max : (rlim_t)most;
  if (wanted <= limit.rlim_cur) return 0;
  limit.rlim_cur = wanted;
  return setrlimit(RLIMIT_NOFILE, &limit);
}

/// What tells of the first SIGINT.
static int ctransom_interrupted = -1;

/// The second SIGINT ends the process, whatever its threads are doing: 128 + 2, as shells say it. Only what signal-safety(7)
/// allows is called.
static inline void ctransom_interrupt(int signal) {
  static int count = 0;
  if (__atomic_fetch_add(&count, 1, __ATOMIC_RELAXED) > 0) _exit(128 + signal);
  int before = errno;
  unsigned long long one = 1;
  ssize_t written = write(ctransom_interrupted, &one, sizeof one);
  (void)written;
  errno = before;
}

/// Returns a descriptor that can be read from after the first SIGINT, or -1.
static inline int ctransom_catch_interrupts(void) {
  ctransom_interrupted = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (ctransom_interrupted < 0) return -1;
  struct sigaction action = {.sa_handler = ctransom_interrupt, .sa_flags = SA_RESTART};
  return sigaction(SIGINT, &action, NULL) == 0 ? ctransom_interrupted : -1;
}

/// `epoll_event` holds a union, which Swift reads poorly: a token in, a token out.
static inline int ctransom_epoll_add(int epoll, int descriptor, unsigned int events,
                                     unsigned long long token) {
  struct epoll_event event = {.events = events, .data = {.u64 = token}};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

static inline int ctransom_epoll_modify(int epoll, int descriptor, unsigned int events,
                                        unsigned long long token) {
  struct epoll_event event = {.events = events, .data = {.u64 = token}};
  return epoll_ctl(epoll, EPOLL_CTL_MOD, descriptor, &event);
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

/// `fcntl` is variadic, which Swift does not import.
static inline int ctransom_duplicate(int descriptor) {
  return fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
}

static inline int ctransom_errno(void) { return errno; }

/// Sends two buffers as if they were one, without SIGPIPE.
static inline ssize_t ctransom_send_two(int descriptor, const void *first, size_t first_length,
                                        const void *second, size_t second_length) {
  struct iovec parts[2] = {{(void *)first, first_length}, {(void *)second, second_length}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  return sendmsg(descriptor, &message, MSG_NOSIGNAL);
}

static inline void ctransom_no_delay(int descriptor) {
  int on = 1;
  (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static inline void ctransom_reuse_address(int descriptor) {
  int on = 1;
  (void)setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
}

/// `setsockopt` of one integer: an IPv6 address means itself only, not every IPv4 address, too.
static inline void ctransom_only_ipv6(int descriptor) {
  int on = 1;
  (void)setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
}

/// Whether a descriptor is a stream socket that listens.
static inline int ctransom_is_listening(int descriptor) {
  int type = 0, listens = 0;
  socklen_t length = sizeof type;
  if (getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &length) != 0) return 0;
  length = sizeof listens;
  if (getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) != 0) return 0;
  return type == SOCK_STREAM && listens;
}

/// Makes an inherited descriptor non-blocking, and keeps it from the programs that this one starts.
static inline int ctransom_prepare_inherited(int descriptor) {
  int flags = fcntl(descriptor, F_GETFL);
  if (flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0) return -1;
  return fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

/// The inode of a file, or 0: tells one socket's file from another's with the same path.
static inline unsigned long long ctransom_inode(const char *path) {
  struct stat status;
  return lstat(path, &status) == 0 ? status.st_ino : 0;
}

/// Removes the file of a Unix-domain socket that nobody listens on any more, and nothing else.
static inline void ctransom_remove_stale_socket(const char *path) {
  struct stat status;
  if (lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode)) return;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) return;
  strcpy(address.sun_path, path);
  int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return;
  if (connect(probe, (struct sockaddr *)&address, sizeof address) != 0 && errno == ECONNREFUSED)
    (void)unlink(path);
  (void)close(probe);
}

// glibc declares these with transparent unions, which Swift does not see as pointers.
static inline int ctransom_bind(int descriptor, const struct sockaddr *address, socklen_t length) {
  return bind(descriptor, address, length);
}

static inline int ctransom_socket_name(int descriptor, struct sockaddr *address,
                                       socklen_t *length) {
  return getsockname(descriptor, address, length);
}

static inline int ctransom_peer_name(int descriptor, struct sockaddr *address, socklen_t *length) {
  return getpeername(descriptor, address, length);
}

static inline int ctransom_connect(int descriptor, const struct sockaddr *address,
                                   socklen_t length) {
  return connect(descriptor, address, length);
}

/// The error of a connection that was being made, or 0.
static inline int ctransom_socket_error(int descriptor) {
  int error = 0;
  socklen_t length = sizeof error;
  return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

static inline int ctransom_accept(int descriptor) {
  return accept4(descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/// How many bytes a TCP socket has handed out so far; -1 if that cannot be told, as for any other socket.
static inline long long ctransom_taken_bytes(int descriptor) {
  // `tcpi_bytes_received` of the kernel's `struct tcp_info` (linux/tcp.h), which glibc's does not have.
  unsigned char information[136];
  socklen_t length = sizeof information;
  int waiting = 0;
  if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, information, &length) != 0 ||
      length < sizeof information || ioctl(descriptor, FIONREAD, &waiting) != 0)
    return -1;
  unsigned long long received;
  memcpy(&received, information + 128, sizeof received);
  return (long long)received - waiting;
}

/// Whether a socket holds neither bytes nor an end of stream nor an error.
static inline int ctransom_is_quiet(int descriptor) {
  char byte;
  return recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
         (errno == EAGAIN || errno == EINTR);
}

#endif
