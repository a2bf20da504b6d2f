/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_PROBE_PRIVATE_H
#define SVCDOCTOR_PROBE_PRIVATE_H

/* What the files that try connections share. */

#include <svcdoctor/source.h>

/* One try under way. */
enum flight_stage { FLIGHT_CONNECTING, FLIGHT_SENDING, FLIGHT_WAITING };
#define FLIGHT_BUFFER 600
struct flight {
	const struct probe *probe;
	struct snap_try *out;
	int fd;
	enum flight_stage stage;
	int64_t since_us, until_us;
	size_t sent, got, size; /* size: of what is to be sent */
	char buf[FLIGHT_BUFFER];
	uint16_t id; /* of the question to a DNS server */
};

/* ---- probe-words.c: what is sent, and what an answer means ---- */

/* Puts the request, the question or the datagram into the buffer. */
void flight_compose(struct flight *f);
/* Looks at what came so far: true when the try has ended. @closed: no more will come. */
bool flight_judge(struct flight *f, bool closed);

/* ---- probe-error.c: why it failed ---- */

/* Asks the kernel to hand on ICMP errors with their sender. */
void error_prepare(int fd, int family);
/* Takes the ICMP error that the kernel kept, if there is one: type, code and sender. */
bool error_queue_take(int fd, struct snap_try *out);
/* The try ended with @err (an errno): what that means, with what the socket's queue of errors tells. */
void error_explain(struct flight *f, int err);

#endif
