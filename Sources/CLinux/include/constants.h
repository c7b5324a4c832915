// Constants under names of ours: the C library's values, which Swift sees also where those are hidden by feature macros.
#ifndef CLINUX_CONSTANTS_H
#define CLINUX_CONSTANTS_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static const int32_t LINUX_O_RDONLY = (int32_t)O_RDONLY;
static const int32_t LINUX_O_WRONLY = (int32_t)O_WRONLY;
static const int32_t LINUX_O_RDWR = (int32_t)O_RDWR;
static const int32_t LINUX_O_CREAT = (int32_t)O_CREAT;
static const int32_t LINUX_O_EXCL = (int32_t)O_EXCL;
static const int32_t LINUX_O_TRUNC = (int32_t)O_TRUNC;
static const int32_t LINUX_O_APPEND = (int32_t)O_APPEND;
static const int32_t LINUX_O_NONBLOCK = (int32_t)O_NONBLOCK;
static const int32_t LINUX_O_DSYNC = (int32_t)O_DSYNC;
static const int32_t LINUX_O_SYNC = (int32_t)O_SYNC;
static const int32_t LINUX_O_DIRECT = (int32_t)O_DIRECT;
static const int32_t LINUX_O_DIRECTORY = (int32_t)O_DIRECTORY;
static const int32_t LINUX_O_NOFOLLOW = (int32_t)O_NOFOLLOW;
static const int32_t LINUX_O_NOATIME = (int32_t)O_NOATIME;
static const int32_t LINUX_O_PATH = (int32_t)O_PATH;
static const int32_t LINUX_O_TMPFILE = (int32_t)O_TMPFILE;
static const int32_t LINUX_O_NOCTTY = (int32_t)O_NOCTTY;
static const int32_t LINUX_O_ACCMODE = (int32_t)O_ACCMODE;
static const int32_t LINUX_O_CLOEXEC = (int32_t)O_CLOEXEC;
static const int32_t LINUX_O_LARGEFILE = (int32_t)O_LARGEFILE;
static const int32_t LINUX_S_IFMT = (int32_t)S_IFMT;
static const int32_t LINUX_S_IFREG = (int32_t)S_IFREG;
static const int32_t LINUX_S_IFDIR = (int32_t)S_IFDIR;
static const int32_t LINUX_S_IFLNK = (int32_t)S_IFLNK;
static const int32_t LINUX_S_IFIFO = (int32_t)S_IFIFO;
static const int32_t LINUX_S_IFSOCK = (int32_t)S_IFSOCK;
static const int32_t LINUX_S_IFCHR = (int32_t)S_IFCHR;
static const int32_t LINUX_S_IFBLK = (int32_t)S_IFBLK;
static const int32_t LINUX_S_ISUID = (int32_t)S_ISUID;
static const int32_t LINUX_S_ISGID = (int32_t)S_ISGID;
static const int32_t LINUX_S_ISVTX = (int32_t)S_ISVTX;
static const int32_t LINUX_DT_UNKNOWN = (int32_t)DT_UNKNOWN;
static const int32_t LINUX_DT_FIFO = (int32_t)DT_FIFO;
static const int32_t LINUX_DT_CHR = (int32_t)DT_CHR;
static const int32_t LINUX_DT_DIR = (int32_t)DT_DIR;
static const int32_t LINUX_DT_BLK = (int32_t)DT_BLK;
static const int32_t LINUX_DT_REG = (int32_t)DT_REG;
static const int32_t LINUX_DT_LNK = (int32_t)DT_LNK;
static const int32_t LINUX_DT_SOCK = (int32_t)DT_SOCK;
static const int32_t LINUX_FALLOC_FL_KEEP_SIZE = (int32_t)FALLOC_FL_KEEP_SIZE;
static const int32_t LINUX_FALLOC_FL_PUNCH_HOLE = (int32_t)FALLOC_FL_PUNCH_HOLE;
static const int32_t LINUX_FALLOC_FL_COLLAPSE_RANGE = (int32_t)FALLOC_FL_COLLAPSE_RANGE;
static const int32_t LINUX_FALLOC_FL_ZERO_RANGE = (int32_t)FALLOC_FL_ZERO_RANGE;
static const int32_t LINUX_FALLOC_FL_INSERT_RANGE = (int32_t)FALLOC_FL_INSERT_RANGE;
static const int32_t LINUX_FALLOC_FL_UNSHARE_RANGE = (int32_t)FALLOC_FL_UNSHARE_RANGE;
static const int32_t LINUX_SEEK_SET = (int32_t)SEEK_SET;
static const int32_t LINUX_SEEK_CUR = (int32_t)SEEK_CUR;
static const int32_t LINUX_SEEK_END = (int32_t)SEEK_END;
static const int32_t LINUX_SEEK_DATA = (int32_t)SEEK_DATA;
static const int32_t LINUX_SEEK_HOLE = (int32_t)SEEK_HOLE;
static const int32_t LINUX_POSIX_FADV_NORMAL = (int32_t)POSIX_FADV_NORMAL;
static const int32_t LINUX_POSIX_FADV_RANDOM = (int32_t)POSIX_FADV_RANDOM;
static const int32_t LINUX_POSIX_FADV_SEQUENTIAL = (int32_t)POSIX_FADV_SEQUENTIAL;
static const int32_t LINUX_POSIX_FADV_WILLNEED = (int32_t)POSIX_FADV_WILLNEED;
static const int32_t LINUX_POSIX_FADV_DONTNEED = (int32_t)POSIX_FADV_DONTNEED;
static const int32_t LINUX_RENAME_NOREPLACE = (int32_t)RENAME_NOREPLACE;
static const int32_t LINUX_RENAME_EXCHANGE = (int32_t)RENAME_EXCHANGE;
static const int32_t LINUX_RENAME_WHITEOUT = (int32_t)RENAME_WHITEOUT;
static const int32_t LINUX_XATTR_CREATE = (int32_t)XATTR_CREATE;
static const int32_t LINUX_XATTR_REPLACE = (int32_t)XATTR_REPLACE;
static const int32_t LINUX_LOCK_SH = (int32_t)LOCK_SH;
static const int32_t LINUX_LOCK_EX = (int32_t)LOCK_EX;
static const int32_t LINUX_LOCK_UN = (int32_t)LOCK_UN;
static const int32_t LINUX_LOCK_NB = (int32_t)LOCK_NB;
static const int32_t LINUX_RLIMIT_NOFILE = (int32_t)RLIMIT_NOFILE;
static const int32_t LINUX_RLIMIT_CORE = (int32_t)RLIMIT_CORE;
static const int32_t LINUX_RLIMIT_MEMLOCK = (int32_t)RLIMIT_MEMLOCK;
static const int32_t LINUX_SIGHUP = (int32_t)SIGHUP;
static const int32_t LINUX_SIGINT = (int32_t)SIGINT;
static const int32_t LINUX_SIGQUIT = (int32_t)SIGQUIT;
static const int32_t LINUX_SIGTERM = (int32_t)SIGTERM;
static const int32_t LINUX_SIGPIPE = (int32_t)SIGPIPE;
static const int32_t LINUX_SIGUSR1 = (int32_t)SIGUSR1;
static const int32_t LINUX_SIGUSR2 = (int32_t)SIGUSR2;
static const int32_t LINUX_SIGCHLD = (int32_t)SIGCHLD;
static const int32_t LINUX_SIGKILL = (int32_t)SIGKILL;
static const int32_t LINUX_SIGALRM = (int32_t)SIGALRM;
static const int32_t LINUX_SIGTSTP = (int32_t)SIGTSTP;
static const int32_t LINUX_SIGCONT = (int32_t)SIGCONT;
static const int32_t LINUX_R_OK = (int32_t)R_OK;
static const int32_t LINUX_W_OK = (int32_t)W_OK;
static const int32_t LINUX_X_OK = (int32_t)X_OK;
static const int32_t LINUX_F_OK = (int32_t)F_OK;
static const int32_t LINUX_UTIME_NOW = (int32_t)UTIME_NOW;
static const int32_t LINUX_UTIME_OMIT = (int32_t)UTIME_OMIT;
static const int32_t LINUX_EPERM = (int32_t)EPERM;
static const int32_t LINUX_ENOENT = (int32_t)ENOENT;
static const int32_t LINUX_ESRCH = (int32_t)ESRCH;
static const int32_t LINUX_EINTR = (int32_t)EINTR;
static const int32_t LINUX_EIO = (int32_t)EIO;
static const int32_t LINUX_ENXIO = (int32_t)ENXIO;
static const int32_t LINUX_E2BIG = (int32_t)E2BIG;
static const int32_t LINUX_ENOEXEC = (int32_t)ENOEXEC;
static const int32_t LINUX_EBADF = (int32_t)EBADF;
static const int32_t LINUX_ECHILD = (int32_t)ECHILD;
static const int32_t LINUX_EAGAIN = (int32_t)EAGAIN;
static const int32_t LINUX_ENOMEM = (int32_t)ENOMEM;
static const int32_t LINUX_EACCES = (int32_t)EACCES;
static const int32_t LINUX_EFAULT = (int32_t)EFAULT;
static const int32_t LINUX_ENOTBLK = (int32_t)ENOTBLK;
static const int32_t LINUX_EBUSY = (int32_t)EBUSY;
static const int32_t LINUX_EEXIST = (int32_t)EEXIST;
static const int32_t LINUX_EXDEV = (int32_t)EXDEV;
static const int32_t LINUX_ENODEV = (int32_t)ENODEV;
static const int32_t LINUX_ENOTDIR = (int32_t)ENOTDIR;
static const int32_t LINUX_EISDIR = (int32_t)EISDIR;
static const int32_t LINUX_EINVAL = (int32_t)EINVAL;
static const int32_t LINUX_ENFILE = (int32_t)ENFILE;
static const int32_t LINUX_EMFILE = (int32_t)EMFILE;
static const int32_t LINUX_ENOTTY = (int32_t)ENOTTY;
static const int32_t LINUX_ETXTBSY = (int32_t)ETXTBSY;
static const int32_t LINUX_EFBIG = (int32_t)EFBIG;
static const int32_t LINUX_ENOSPC = (int32_t)ENOSPC;
static const int32_t LINUX_ESPIPE = (int32_t)ESPIPE;
static const int32_t LINUX_EROFS = (int32_t)EROFS;
static const int32_t LINUX_EMLINK = (int32_t)EMLINK;
static const int32_t LINUX_EPIPE = (int32_t)EPIPE;
static const int32_t LINUX_EDOM = (int32_t)EDOM;
static const int32_t LINUX_ERANGE = (int32_t)ERANGE;
static const int32_t LINUX_EDEADLK = (int32_t)EDEADLK;
static const int32_t LINUX_ENAMETOOLONG = (int32_t)ENAMETOOLONG;
static const int32_t LINUX_ENOLCK = (int32_t)ENOLCK;
static const int32_t LINUX_ENOSYS = (int32_t)ENOSYS;
static const int32_t LINUX_ENOTEMPTY = (int32_t)ENOTEMPTY;
static const int32_t LINUX_ELOOP = (int32_t)ELOOP;
static const int32_t LINUX_ENODATA = (int32_t)ENODATA;
static const int32_t LINUX_ETIME = (int32_t)ETIME;
static const int32_t LINUX_EPROTO = (int32_t)EPROTO;
static const int32_t LINUX_EBADMSG = (int32_t)EBADMSG;
static const int32_t LINUX_EOVERFLOW = (int32_t)EOVERFLOW;
static const int32_t LINUX_EILSEQ = (int32_t)EILSEQ;
static const int32_t LINUX_EUSERS = (int32_t)EUSERS;
static const int32_t LINUX_EOPNOTSUPP = (int32_t)EOPNOTSUPP;
static const int32_t LINUX_ENOTCONN = (int32_t)ENOTCONN;
static const int32_t LINUX_ECONNABORTED = (int32_t)ECONNABORTED;
static const int32_t LINUX_ECONNREFUSED = (int32_t)ECONNREFUSED;
static const int32_t LINUX_ECONNRESET = (int32_t)ECONNRESET;
static const int32_t LINUX_ETIMEDOUT = (int32_t)ETIMEDOUT;
static const int32_t LINUX_EALREADY = (int32_t)EALREADY;
static const int32_t LINUX_EINPROGRESS = (int32_t)EINPROGRESS;
static const int32_t LINUX_ESTALE = (int32_t)ESTALE;
static const int32_t LINUX_EUCLEAN = (int32_t)EUCLEAN;
static const int32_t LINUX_EDQUOT = (int32_t)EDQUOT;
static const int32_t LINUX_ECANCELED = (int32_t)ECANCELED;
static const int32_t LINUX_ENOKEY = (int32_t)ENOKEY;
static const int32_t LINUX_EKEYEXPIRED = (int32_t)EKEYEXPIRED;
static const int32_t LINUX_EKEYREVOKED = (int32_t)EKEYREVOKED;
static const int32_t LINUX_EKEYREJECTED = (int32_t)EKEYREJECTED;
static const int32_t LINUX_EREMOTEIO = (int32_t)EREMOTEIO;
static const int32_t LINUX_ESHUTDOWN = (int32_t)ESHUTDOWN;
static const int32_t LINUX_AT_FDCWD = AT_FDCWD;
#endif
