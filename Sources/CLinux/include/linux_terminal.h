// The controlling terminal: asking for a secret without showing it, its size.
#ifndef CLINUX_TERMINAL_H
#define CLINUX_TERMINAL_H
#include <stddef.h>
#include <stdint.h>

// Reads a line from `terminal` into `secret` without echo; the bytes go nowhere else. Its length without the line end;
// -E2BIG when longer than `size`, -EINTR after an interrupt key or signal, -ENODATA when the terminal ends first.
long linux_terminal_read_secret(int terminal, const uint8_t *prompt, size_t prompt_count, uint8_t *secret, size_t size);
int linux_is_terminal(int descriptor);
int linux_terminal_size(int descriptor, int *columns, int *rows);
#endif
