// Constants under names of ours; the values are the C library's for this machine.
#define _GNU_SOURCE
#include "include/linux_constants.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>

const int32_t LINUX_O_RDONLY = (int32_t)O_RDONLY;
const int32_t LINUX_O_WRONLY = (int32_t)O_WRONLY;
const int32_t LINUX_O_RDWR = (int32_t)O_RDWR;
const int32_t LINUX_O_CREAT = (int32_t)O_CREAT;
const int32_t LINUX_O_EXCL = (int32_t)O_EXCL;
const int32_t LINUX_O_TRUNC = (int32_t)O_TRUNC;
const int32_t LINUX_O_APPEND = (int32_t)O_APPEND;
const int32_t LINUX_O_NONBLOCK = (int32_t)O_NONBLOCK;
const int32_t LINUX_O_DIRECTORY = (int32_t)O_DIRECTORY;
const int32_t LINUX_O_NOFOLLOW = (int32_t)O_NOFOLLOW;
const int32_t LINUX_O_NOATIME = (int32_t)O_NOATIME;
const int32_t LINUX_O_PATH = (int32_t)O_PATH;
const int32_t LINUX_O_TMPFILE = (int32_t)O_TMPFILE;
const int32_t LINUX_O_NOCTTY = (int32_t)O_NOCTTY;
const int32_t LINUX_O_ACCMODE = (int32_t)O_ACCMODE;
const int32_t LINUX_FALLOC_FL_KEEP_SIZE = (int32_t)FALLOC_FL_KEEP_SIZE;
const int32_t LINUX_FALLOC_FL_PUNCH_HOLE = (int32_t)FALLOC_FL_PUNCH_HOLE;
const int32_t LINUX_FALLOC_FL_ZERO_RANGE = (int32_t)FALLOC_FL_ZERO_RANGE;
const int32_t LINUX_SEEK_SET = (int32_t)SEEK_SET;
const int32_t LINUX_SEEK_DATA = (int32_t)SEEK_DATA;
const int32_t LINUX_SEEK_HOLE = (int32_t)SEEK_HOLE;
const int32_t LINUX_POSIX_FADV_NORMAL = (int32_t)POSIX_FADV_NORMAL;
const int32_t LINUX_POSIX_FADV_RANDOM = (int32_t)POSIX_FADV_RANDOM;
const int32_t LINUX_POSIX_FADV_SEQUENTIAL = (int32_t)POSIX_FADV_SEQUENTIAL;
const int32_t LINUX_POSIX_FADV_WILLNEED = (int32_t)POSIX_FADV_WILLNEED;
const int32_t LINUX_POSIX_FADV_DONTNEED = (int32_t)POSIX_FADV_DONTNEED;
const int32_t LINUX_RENAME_NOREPLACE = (int32_t)RENAME_NOREPLACE;
const int32_t LINUX_RENAME_EXCHANGE = (int32_t)RENAME_EXCHANGE;
const int32_t LINUX_XATTR_CREATE = (int32_t)XATTR_CREATE;
const int32_t LINUX_XATTR_REPLACE = (int32_t)XATTR_REPLACE;
const int32_t LINUX_LOCK_SH = (int32_t)LOCK_SH;
const int32_t LINUX_LOCK_EX = (int32_t)LOCK_EX;
const int32_t LINUX_LOCK_UN = (int32_t)LOCK_UN;
const int32_t LINUX_LOCK_NB = (int32_t)LOCK_NB;
const int32_t LINUX_RLIMIT_NOFILE = (int32_t)RLIMIT_NOFILE;
const int32_t LINUX_RLIMIT_CORE = (int32_t)RLIMIT_CORE;
const int32_t LINUX_SIGHUP = (int32_t)SIGHUP;
const int32_t LINUX_SIGINT = (int32_t)SIGINT;
const int32_t LINUX_SIGQUIT = (int32_t)SIGQUIT;
const int32_t LINUX_SIGTERM = (int32_t)SIGTERM;
const int32_t LINUX_SIGPIPE = (int32_t)SIGPIPE;
const int32_t LINUX_SIGXFSZ = (int32_t)SIGXFSZ;
const int32_t LINUX_SIGUSR1 = (int32_t)SIGUSR1;
const int32_t LINUX_SIGUSR2 = (int32_t)SIGUSR2;
const int32_t LINUX_SIGCHLD = (int32_t)SIGCHLD;
const int32_t LINUX_SIGKILL = (int32_t)SIGKILL;
const int32_t LINUX_SIGILL = (int32_t)SIGILL;
const int32_t LINUX_SIGTRAP = (int32_t)SIGTRAP;
const int32_t LINUX_SIGABRT = (int32_t)SIGABRT;
const int32_t LINUX_SIGBUS = (int32_t)SIGBUS;
const int32_t LINUX_SIGFPE = (int32_t)SIGFPE;
const int32_t LINUX_SIGSEGV = (int32_t)SIGSEGV;
const int32_t LINUX_UTIME_NOW = (int32_t)UTIME_NOW;
const int32_t LINUX_UTIME_OMIT = (int32_t)UTIME_OMIT;
const int32_t LINUX_EPERM = (int32_t)EPERM;
const int32_t LINUX_ENOENT = (int32_t)ENOENT;
const int32_t LINUX_EINTR = (int32_t)EINTR;
const int32_t LINUX_EIO = (int32_t)EIO;
const int32_t LINUX_ENXIO = (int32_t)ENXIO;
const int32_t LINUX_E2BIG = (int32_t)E2BIG;
const int32_t LINUX_EBADF = (int32_t)EBADF;
const int32_t LINUX_ECHILD = (int32_t)ECHILD;
const int32_t LINUX_EAGAIN = (int32_t)EAGAIN;
const int32_t LINUX_ENOMEM = (int32_t)ENOMEM;
const int32_t LINUX_EACCES = (int32_t)EACCES;
const int32_t LINUX_EBUSY = (int32_t)EBUSY;
const int32_t LINUX_EEXIST = (int32_t)EEXIST;
const int32_t LINUX_ENODEV = (int32_t)ENODEV;
const int32_t LINUX_ENOTDIR = (int32_t)ENOTDIR;
const int32_t LINUX_EISDIR = (int32_t)EISDIR;
const int32_t LINUX_EINVAL = (int32_t)EINVAL;
const int32_t LINUX_ENOTTY = (int32_t)ENOTTY;
const int32_t LINUX_EFBIG = (int32_t)EFBIG;
const int32_t LINUX_ENOSPC = (int32_t)ENOSPC;
const int32_t LINUX_ESPIPE = (int32_t)ESPIPE;
const int32_t LINUX_EROFS = (int32_t)EROFS;
const int32_t LINUX_EPIPE = (int32_t)EPIPE;
const int32_t LINUX_ERANGE = (int32_t)ERANGE;
const int32_t LINUX_EDEADLK = (int32_t)EDEADLK;
const int32_t LINUX_ENAMETOOLONG = (int32_t)ENAMETOOLONG;
const int32_t LINUX_ENOSYS = (int32_t)ENOSYS;
const int32_t LINUX_ENOTEMPTY = (int32_t)ENOTEMPTY;
const int32_t LINUX_ELOOP = (int32_t)ELOOP;
const int32_t LINUX_ENODATA = (int32_t)ENODATA;
const int32_t LINUX_EPROTO = (int32_t)EPROTO;
const int32_t LINUX_EOPNOTSUPP = (int32_t)EOPNOTSUPP;
const int32_t LINUX_ENOTCONN = (int32_t)ENOTCONN;
const int32_t LINUX_ESTALE = (int32_t)ESTALE;
const int32_t LINUX_EUCLEAN = (int32_t)EUCLEAN;
const int32_t LINUX_EDQUOT = (int32_t)EDQUOT;
const int32_t LINUX_ECANCELED = (int32_t)ECANCELED;
const int32_t LINUX_ENOKEY = (int32_t)ENOKEY;
const int32_t LINUX_EKEYREVOKED = (int32_t)EKEYREVOKED;
const int32_t LINUX_AT_FDCWD = (int32_t)AT_FDCWD;
