// Tells the thread sanitizer about Swift's Mutex, by being loaded before libswiftSynchronization (LD_PRELOAD).
//
// A lock that nobody contends is taken and given back by atomic operations that are compiled into the caller, so the
// sanitizer sees them. The rest happens in _lockSlow and _unlockSlow, in a library that is not instrumented, where the kernel
// hands the lock over (FUTEX_LOCK_PI): the sanitizer sees two threads that write one variable and nothing between them.
// These two functions stand in front of the library's own and say what that hand-over means. Nothing is suppressed.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

// Of the sanitizer's run-time library; programs that are started by the tests have none, and call nothing here.
void __tsan_acquire(void *address) __attribute__((weak));
void __tsan_release(void *address) __attribute__((weak));

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))
#define LOCK_SLOW "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK_SLOW "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

typedef SWIFT void (*lock_function)(uint32_t thread, SELF void *mutex);
typedef SWIFT void (*unlock_function)(SELF void *mutex);

static void *next(const char *name) {
  void *function = dlsym(RTLD_NEXT, name);
  if (!function) abort();
  return function;
}

SWIFT void lock_slow(uint32_t thread, SELF void *mutex) __asm__(LOCK_SLOW);
SWIFT void lock_slow(uint32_t thread, SELF void *mutex) {
  ((lock_function)next(LOCK_SLOW))(thread, mutex);
  if (__tsan_acquire) __tsan_acquire(mutex);
}

SWIFT void unlock_slow(SELF void *mutex) __asm__(UNLOCK_SLOW);
SWIFT void unlock_slow(SELF void *mutex) {
  if (__tsan_release) __tsan_release(mutex);
  ((unlock_function)next(UNLOCK_SLOW))(mutex);
}
