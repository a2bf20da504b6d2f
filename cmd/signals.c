/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ctrl-C and its kin. A run dies by the signal itself, so that shells and make see why it ended, and at once: where nothing has to be
 * put in order that is the default action. Between signals_hold and signals_let (requests to the API server, files that are not finished,
 * a report that is being written) the signal is only noted, in the flag that signals_stop hands out; what holds must end soon, and after
 * a second it no longer matters whether it does. A second signal kills at any time.
 *
 * A reader of stdout that goes away ends nothing here: the write fails, and reader_is_gone tells why.
 *
 * The flag is the one writable global of the program.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "cmd.h"

static const int ending[] = { SIGINT, SIGTERM, SIGHUP };

static struct {
	volatile sig_atomic_t held, caught; /* caught: the signal's number */
} state;

static void by_default(int number)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	(void)sigaction(number, &sa, NULL);
}

/* Ends the process by @number, as soon as it is not blocked: behind the handler. */
static void die_by(int number)
{
	by_default(number);
	(void)raise(number);
}

/* The first ends us in order where something is held; a second one, or the alarm, which comes after the first only, at once. */
static void on_signal(int number)
{
	int err = errno;
	bool first = !state.caught;
	if (first) {
		state.caught = number;
	}
	if (state.held && first) {
		for (size_t i = 0; i < ARRAY_LEN(ending); i++) {
			by_default(ending[i]);
		}
		(void)alarm(1);
	} else {
		die_by(state.caught);
	}
	errno = err;
}

/* A handler is not inherited by programs that are started from here, as ignoring would be. */
static void on_pipe(int number)
{
	(void)number;
}

void signals_start(void)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART }, before;
	for (size_t i = 0; i < ARRAY_LEN(ending); i++) {
		/* what is ignored from outside stays ignored: nohup */
		if (sigaction(ending[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
			(void)sigaction(ending[i], &sa, NULL);
		}
	}
	(void)sigaction(SIGALRM, &sa, NULL);
	sa.sa_handler = on_pipe;
	(void)sigaction(SIGPIPE, &sa, NULL);
}

const volatile sig_atomic_t *signals_stop(void)
{
	return &state.caught;
}

void signals_hold(void)
{
	state.held = 1;
}

void signals_let(void)
{
	state.held = 0;
	if (state.caught) {
		die_by(state.caught);
	}
}

bool reader_is_gone(FILE *f)
{
	struct pollfd p = { .fd = fileno(f) };
	return p.fd >= 0 && poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP));
}
