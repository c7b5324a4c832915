// The controlling terminal: asking for a secret without showing it, its size.
#define _GNU_SOURCE
#include "include/linux_terminal.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

static void say(int terminal, const void *text, size_t count) {
    while (count > 0) {
        long n = write(terminal, text, count);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;  // a terminal that cannot be written to shows no prompt; reading still works
        text = (const char *)text + n;
        count -= (size_t)n;
    }
}

// One byte; -EINTR when one of the blocked signals is pending first (it stays pending), -ENODATA at the end.
static int next_byte(int terminal, int signals) {
    struct pollfd p[2] = {{.fd = terminal, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    for (;;) {
        if (poll(p, 2, -1) < 0) {
            if (errno == EINTR) continue;
            return -errno;
        }
        if (p[1].revents) return -EINTR;
        unsigned char byte;
        long n = read(terminal, &byte, 1);
        if (n == 1) {
            int value = byte;
            explicit_bzero(&byte, 1);
            return value;
        }
        if (n == 0) return -ENODATA;
        if (errno != EINTR && errno != EAGAIN) return errno == EIO ? -ENODATA : -errno;
    }
}

// Takes the last character off: one byte, or a whole UTF-8 sequence.
static size_t without_last(const uint8_t *secret, size_t count) {
    if (count == 0) return 0;
    count--;
    while (count > 0 && (secret[count] & 0xC0) == 0x80) count--;
    return count;
}

static long edit_line(int terminal, int signals, const struct termios *keys, uint8_t *secret, size_t size) {
    size_t count = 0;
    int is_too_long = 0;
    for (;;) {
        int byte = next_byte(terminal, signals);
        if (byte < 0) return byte;
        if (byte == '\n' || byte == '\r') return is_too_long ? -E2BIG : (long)count;
        if (byte == keys->c_cc[VINTR] || byte == keys->c_cc[VQUIT]) return -EINTR;
        if (byte == keys->c_cc[VEOF]) {
            if (count == 0) return -ENODATA;
            return is_too_long ? -E2BIG : (long)count;
        }
        if (byte == keys->c_cc[VERASE] || byte == 0x7F || byte == '\b') {
            size_t left = without_last(secret, count);
            explicit_bzero(secret + left, count - left);
            count = left;
        } else if (byte == keys->c_cc[VKILL]) {
            explicit_bzero(secret, count);
            count = 0;
            is_too_long = 0;
        } else if (count < size) {
            secret[count++] = (uint8_t)byte;
        } else {
            is_too_long = 1;
        }
    }
}

// Signals are held back while echo is off, so that no way out leaves the terminal mute; they arrive when it is restored.
long linux_terminal_read_secret(int terminal, const uint8_t *prompt, size_t prompt_count, uint8_t *secret, size_t size) {
    struct termios before;
    if (tcgetattr(terminal, &before) < 0) return -errno;
    sigset_t held, old;
    sigemptyset(&held);
    const int which[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGALRM, SIGPIPE};
    for (size_t i = 0; i < sizeof which / sizeof *which; i++) sigaddset(&held, which[i]);
    pthread_sigmask(SIG_BLOCK, &held, &old);
    long result;
    int signals = signalfd(-1, &held, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) {
        result = -errno;
    } else {
        struct termios silent = before;
        silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG);
        silent.c_cc[VMIN] = 1;
        silent.c_cc[VTIME] = 0;
        if (tcsetattr(terminal, TCSAFLUSH, &silent) < 0) {
            result = -errno;
        } else {
            say(terminal, prompt, prompt_count);
            result = edit_line(terminal, signals, &before, secret, size);
            say(terminal, "\n", 1);
            if (tcsetattr(terminal, TCSAFLUSH, &before) < 0 && result >= 0) result = -errno;
        }
        close(signals);
    }
    if (result < 0) explicit_bzero(secret, size);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return result;
}

int linux_is_terminal(int descriptor) { return isatty(descriptor) == 1; }
int linux_terminal_size(int descriptor, int *columns, int *rows) {
    struct winsize size;
    if (ioctl(descriptor, TIOCGWINSZ, &size) < 0) return -errno;
    *columns = size.ws_col;
    *rows = size.ws_row;
    return 0;
}
