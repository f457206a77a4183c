/* The control of the suite: a machine whose programs wait for no disk. Loaded before the C library
 * into every program of the guest; nothing of it is in the product. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>

int fsync(int descriptor) { return (void)descriptor, 0; }
int fdatasync(int descriptor) { return (void)descriptor, 0; }
void sync(void) {}
int syncfs(int descriptor) { return (void)descriptor, 0; }
int msync(void *at, size_t length, int flags) { return (void)at, (void)length, (void)flags, 0; }
int sync_file_range(int descriptor, off_t from, off_t length, unsigned flags) {
  return (void)descriptor, (void)from, (void)length, (void)flags, 0;
}

/* The store opens its file a second time so that each write of its head is on the disk. */
#define OPEN(name, type)                                     \
  int name(const char *path, int flags, ...) {               \
    va_list rest;                                            \
    va_start(rest, flags);                                   \
    mode_t mode = va_arg(rest, mode_t);                      \
    va_end(rest);                                            \
    return ((type)dlsym(RTLD_NEXT, #name))(path, flags & ~(O_SYNC | O_DSYNC), mode); \
  }
typedef int opening(const char *, int, mode_t);
OPEN(open, opening *)
OPEN(open64, opening *)

static int without(int at, const char *path, int flags, mode_t mode, const char *name) {
  typedef int opening_at(int, const char *, int, mode_t);
  return ((opening_at *)dlsym(RTLD_NEXT, name))(at, path, flags & ~(O_SYNC | O_DSYNC), mode);
}
int openat(int at, const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  return without(at, path, flags, mode, "openat");
}
int openat64(int at, const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  return without(at, path, flags, mode, "openat64");
}
