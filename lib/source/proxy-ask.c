/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks kube-proxy's ports on this machine: a few GET requests side by side, each of a connection of its own, in one thread around poll(). HTTP/1.0, so
 * that an answer comes in one piece and the connection ends with it; nothing is followed, and size and time are bounded. lib/api has the other client,
 * which is for one API server with its credentials.
 */

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <svcdoctor/base.h>

#include "proxy-ask-private.h"

enum { HEAD_MAX = 16 << 10, PIECE = 64 << 10, ASKED_MAX = 16 };

struct talk {
	struct proxy_question *q;
	int fd;
	bool made, done;
	struct strbuf out, in;
	size_t sent;
	size_t head;	 /* bytes before the body; 0: not all of them came */
	int64_t body;	 /* its size as the head says; -1: until the end */
};

static socklen_t make_address(const struct proxy_question *q, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(q->port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(q->port) };

	if (q->addr.family == AF_INET6) {
		memcpy(&v6.sin6_addr, q->addr.b, 16);
		memcpy(ret, &v6, sizeof(v6));
		return sizeof(v6);
	}
	memcpy(&v4.sin_addr, q->addr.b, 4);
	memcpy(ret, &v4, sizeof(v4));
	return sizeof(v4);
}

static void end_talk(struct talk *t, enum snap_port_end end, int error)
{
	t->done = true;
	t->q->end = end;
	t->q->error = error;
	fd_close(&t->fd);
}

static void fail_talk(struct talk *t, int error)
{
	end_talk(t, error == ECONNREFUSED ? PORT_REFUSED : error == ETIMEDOUT ? PORT_SILENT : PORT_UNREACHABLE, error);
}

static void begin(struct talk *t)
{
	struct sockaddr_storage to = { 0 };
	socklen_t size = make_address(t->q, &to);
	char name[IP_ENDPOINT_STRLEN];

	t->body = -1;
	strbuf_addf(&t->out, "GET %s HTTP/1.0\r\nHost: %s\r\nUser-Agent: svcdoctor\r\nAccept: */*\r\nConnection: close\r\n\r\n", t->q->path,
		    ip_endpoint_format(&t->q->addr, t->q->port, name));
	if (t->out.failed) {
		t->q->no_memory = true;
		end_talk(t, PORT_NOT_ASKED, 0);
		return;
	}
	t->fd = socket(t->q->addr.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (t->fd < 0 || (connect(t->fd, (struct sockaddr *)&to, size) < 0 && errno != EINPROGRESS && errno != EINTR))
		fail_talk(t, errno);
}

/* ---- the answer ---- */

/* "HTTP/1.1 503 Service Unavailable" */
static bool read_status(struct talk *t, const char *line)
{
	uint64_t status;

	if (strncmp(line, "HTTP/", 5) != 0)
		return false;
	line += strcspn(line, " ");
	line += strspn(line, " ");
	if (strspn(line, "0123456789") != 3 || parse_uint(line, 3, 999, &status) < 0 || status < 100)
		return false;
	t->q->status = (int)status;
	return true;
}

static void read_length(struct talk *t, const char *head)
{
	static const char name[] = "\r\ncontent-length:";
	const char *at = strcasestr(head, name);
	uint64_t n;

	if (!at)
		return;
	at += sizeof(name) - 1;
	at += strspn(at, " \t");
	if (parse_uint(at, strspn(at, "0123456789"), INT32_MAX, &n) == 0)
		t->body = (int64_t)n;
}

/* False: it is no HTTP. */
static bool read_head(struct talk *t)
{
	char *end = memmem(t->in.s, t->in.len, "\r\n\r\n", 4);

	if (t->in.len >= 5 && memcmp(t->in.s, "HTTP/", 5) != 0)
		return false;
	if (!end)
		return t->in.len < HEAD_MAX;
	*end = '\0';
	t->head = (size_t)(end - t->in.s) + 4;
	if (!read_status(t, t->in.s))
		return false;
	read_length(t, t->in.s);
	return true;
}

static void take_body(struct talk *t, size_t size)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_add(&b, t->in.s + t->head, size);
	t->q->body = b;
	t->q->no_memory = b.failed;
	end_talk(t, PORT_ANSWERED, 0);
}

/* What is longer than an answer may be: of a list of lines those that came count. */
static void take_cut(struct talk *t)
{
	const char *body = t->in.s + t->head, *nl = memrchr(body, '\n', t->q->max);

	t->q->cut = true;
	if (t->q->may_cut && nl)
		take_body(t, (size_t)(nl - body) + 1);
	else
		end_talk(t, PORT_STRANGE, 0);
}

static void judge(struct talk *t, bool ended)
{
	size_t size;

	if (t->in.failed || t->out.failed) {
		t->q->no_memory = true;
		end_talk(t, PORT_STRANGE, 0);
		return;
	}
	if (!t->head && t->in.len && !read_head(t)) {
		end_talk(t, PORT_STRANGE, 0);
		return;
	}
	size = t->head ? t->in.len - t->head : 0;
	if (t->head && size > t->q->max)
		take_cut(t);
	else if (t->head && t->body >= 0 && size >= (size_t)t->body)
		take_body(t, (size_t)t->body);
	else if (t->head && ended && t->body < 0)
		take_body(t, size);
	else if (ended)
		end_talk(t, PORT_STRANGE, 0);
}

/* ---- its way ---- */

static void send_some(struct talk *t)
{
	int error = 0;
	socklen_t size = sizeof(error);
	ssize_t n;

	if (!t->made && (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error)) {
		fail_talk(t, error ? error : errno);
		return;
	}
	t->made = true;
	n = send(t->fd, strbuf_str(&t->out) + t->sent, t->out.len - t->sent, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		fail_talk(t, errno);
	else if (n > 0)
		t->sent += (size_t)n;
}

static void receive_some(struct talk *t, char piece[static PIECE])
{
	ssize_t n = recv(t->fd, piece, PIECE, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		fail_talk(t, errno);
		return;
	}
	strbuf_add(&t->in, piece, (size_t)n);
	judge(t, n == 0);
}

static void go_on(struct talk *t, short events, char piece[static PIECE])
{
	if (t->sent < t->out.len && (events & (POLLOUT | POLLERR | POLLHUP)))
		send_some(t);
	else if (events & (POLLIN | POLLERR | POLLHUP))
		receive_some(t, piece);
}

static void run(struct talk *v, size_t n, int64_t until_ms, char piece[static PIECE])
{
	struct pollfd fds[ASKED_MAX];
	int64_t left;

	while ((left = until_ms - clock_ms()) > 0) {
		size_t open = 0;

		for (size_t i = 0; i < n; i++) {
			fds[i] = (struct pollfd){ .fd = v[i].done ? -1 : v[i].fd, .events = v[i].sent < v[i].out.len ? POLLOUT : POLLIN };
			open += !v[i].done;
		}
		if (!open || (poll(fds, n, (int)left) < 0 && errno != EINTR))
			return;
		for (size_t i = 0; i < n; i++)
			if (!v[i].done && fds[i].revents)
				go_on(&v[i], fds[i].revents, piece);
	}
}

int proxy_ask(struct proxy_question *v, size_t n, int64_t limit_ms)
{
	struct talk talks[ASKED_MAX] = { 0 };
	char *piece = malloc(PIECE);
	int r = piece ? 0 : -ENOMEM;

	n = MIN(n, (size_t)ASKED_MAX);
	for (size_t i = 0; i < n; i++) {
		talks[i].q = &v[i];
		talks[i].fd = -1;
		if (r == 0)
			begin(&talks[i]);
	}
	if (r == 0)
		run(talks, n, clock_ms() + limit_ms, piece);
	for (size_t i = 0; i < n; i++) {
		if (r == 0 && !talks[i].done)
			end_talk(&talks[i], PORT_SILENT, 0);
		r = v[i].no_memory ? -ENOMEM : r;
		strbuf_release(&talks[i].out);
		strbuf_release(&talks[i].in);
	}
	free(piece);
	return r;
}
