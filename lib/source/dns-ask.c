/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks DNS servers, over c-ares: each question its one server, over the transport that it names, and nobody else.
 *
 * c-ares chooses servers, tries again, follows TC and drops what is no answer, all in silence. Here that is the finding, so a channel of c-ares
 * gets one server, one try and no time limit of its own, and its sockets are ours (ares_set_socket_functions): the errno of each call, ICMP errors,
 * datagrams of strangers and the time of each message are seen there, and what is no answer does not get through to c-ares. A socket of UDP is not
 * connected, so that an answer from another address, for which no translation was undone, is seen as what it is. A channel lives for one try of one
 * party: a question, or the questions of a pair, which leave from the same socket. Time limits are this file's.
 */
#define CARES_NO_DEPRECATED /* c-ares 1.34 calls some of it old, and 1.17 has no other */
#include <ares.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "dns-private.h"
#include "probe-private.h"

enum {
	PARTY_MAX = 4,
	PAIRS_MAX = 4,	   /* of one server at a time, so that what is lost is not lost because of us */
	PARALLEL_MAX = 256,
	DATAGRAMS_MAX = 64, /* that are read before others have their turn */
	LOOK_MS = 100,
	REJECT_MS = 5,
	MESSAGE_MAX = 65535
};

/* ---- what is under way ---- */

struct party {
	size_t members[PARTY_MAX]; /* that are not answered yet */
	unsigned n, tries;	   /* tries: that were made */
	bool flying;
};

/* The messages of a TCP connection, each behind its length (RFC 1035, 4.2.2). */
struct stream {
	uint8_t *data;
	size_t got;
};

struct trip;
struct asked {
	struct trip *trip;
	size_t number; /* of the question */
	uint16_t id;
	bool sent, done;
	int status; /* of c-ares, where it gave up */
	const char *from; /* who else answered; NULL: nobody */
	int64_t since_us;
};

struct trip {
	struct ask *ask;
	struct party *party;
	ares_channel channel;
	struct asked v[PARTY_MAX];
	size_t n;
	bool tcp;
	ssize_t odd; /* size of a datagram that is no message at all; -1: none came */
	int64_t until_us, sending_us; /* sending: when the last call to send was made */
	struct stream out, in;
	struct sockaddr_storage to;
	socklen_t to_size;
	int events_at; /* place in the list of poll(); -1: none */
};

struct ask {
	struct arena *arena;
	const struct dns_question *q;
	const struct dns_ask_options *o;
	struct dns_answer *ret;
	struct party *parties;
	size_t nparties, first; /* all before the first are over */
	struct trip **trips;
	size_t ntrips, max_trips;
	struct pollfd *polled;
	int64_t until_us;
	int failed;	/* -ENOMEM */
	uint8_t *buf;	/* MESSAGE_MAX */
};

static int64_t clock_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static bool stopped(const struct ask *k)
{
	return (k->o->stop && *k->o->stop) || k->failed;
}

static struct dns_answer *answer_of(const struct asked *m)
{
	return &m->trip->ask->ret[m->number];
}

static void end_one(struct asked *m, enum dns_end end, int err, const char *why)
{
	struct dns_answer *a = answer_of(m);

	if (m->done)
		return;
	m->done = true;
	a->end = end;
	a->error = err;
	a->why = why;
}

static void end_all(struct trip *f, enum dns_end end, int err, const char *why)
{
	for (size_t i = 0; i < f->n; i++)
		end_one(&f->v[i], end, err, why);
}

static bool all_done(const struct trip *f)
{
	for (size_t i = 0; i < f->n; i++) {
		if (!f->v[i].done)
			return false;
	}
	return true;
}

/* ---- errors ---- */

/*
 * An ICMP error says more than the errno that comes of it, and where a rule of this machine rejects, the errno is that of a rule that drops: EPERM.
 * Then the message may still be on its way through lo. @err 0: there is none. False: there is no error at all.
 */
static bool use_error(struct trip *f, int fd, int err)
{
	struct snap_try icmp = { 0 };
	struct pollfd p = { .fd = fd };

	if (err == EPERM)
		(void)poll(&p, 1, REJECT_MS);
	/* of a connection that is there, an ICMP error is none yet; it is taken all the same, or poll() tells of it for ever */
	if (fd >= 0 && error_queue_take(fd, &icmp) && !(f->tcp && f->v[0].sent)) {
		enum dns_end end = dns_end_of_icmp(&icmp, f->ask->q[f->v[0].number].server.family);

		end_all(f, end, err && err != EPERM ? err : dns_errno_of_end(end), NULL);
		return true;
	}
	if (err)
		end_all(f, dns_end_of_errno(f->tcp, err), err, NULL);
	return err != 0;
}

static bool is_later(int err)
{
	return err == EAGAIN || err == EWOULDBLOCK || err == EINTR;
}

/* A call on the socket failed with errno, which stays as it is. */
static void socket_failed(struct trip *f, int fd)
{
	int err = errno;

	if (is_later(err) || err == EINPROGRESS)
		return;
	(void)use_error(f, fd, err);
	errno = err;
}

/* ---- messages ---- */

static const char *how_much(struct trip *f)
{
	size_t want = f->in.got >= 2 ? (size_t)(f->in.data[0] << 8 | f->in.data[1]) : 0;

	if (!f->in.got)
		return NULL;
	return f->in.got < 2 ? "one byte of an answer came" :
			       arena_printf(f->ask->arena, "%zu of the %zu bytes of an answer came", f->in.got - 2, want);
}

static bool is_question(const struct asked *m, const struct dns_head *h)
{
	const struct dns_question *q = &m->trip->ask->q[m->number];

	return h->type == q->type && dns_name_equal(h->name, q->name);
}

/* Whose answer it pretends to be, else the first one's. @from: who sent it, where that is another than was asked; or NULL. */
static void count_stranger(struct trip *f, const struct dns_head *h, const char *from)
{
	struct asked *whose = NULL;

	for (size_t i = 0; i < f->n; i++) {
		if (!f->v[i].done && (!whose || is_question(&f->v[i], h)))
			whose = &f->v[i];
	}
	if (!whose)
		return;
	answer_of(whose)->strangers++;
	if (from && !whose->from)
		whose->from = arena_printf(f->ask->arena, "an answer came from %s", from);
}

static void take_answer(struct asked *m, const uint8_t *data, size_t size)
{
	struct ask *k = m->trip->ask;
	struct dns_answer a = *answer_of(m);
	int r = dns_message_read(k->arena, data, size, &a);

	if (r == -ENOMEM) {
		k->failed = r;
		return;
	}
	a.q = answer_of(m)->q;
	if (a.end == DNS_ANSWERED)
		a.us = (uint32_t)MIN(clock_us() - m->since_us, (int64_t)UINT32_MAX);
	*answer_of(m) = a;
	end_one(m, a.end, 0, a.why);
}

/* A message came: is it an answer to one of these questions? */
static bool judge_message(struct trip *f, const uint8_t *data, size_t size)
{
	struct dns_head h;
	int r = dns_head_read(data, size, &h);

	if (size < NS_HFIXEDSZ) {
		f->odd = (ssize_t)size;
		count_stranger(f, &h, NULL);
		return false;
	}
	for (size_t i = 0; i < f->n; i++) {
		struct asked *m = &f->v[i];

		if (!m->sent || m->id != h.id)
			continue;
		if (m->done) /* it came twice */
			return false;
		if (r == 0 && h.has_question && !is_question(m, &h)) {
			answer_of(m)->strangers++;
			return false;
		}
		take_answer(m, data, size);
		return true;
	}
	count_stranger(f, &h, NULL);
	return false;
}

/* Which question was sent here? c-ares may give it another id than was asked for. */
static struct asked *sent_message(struct trip *f, const uint8_t *data, size_t size)
{
	struct dns_head h;

	if (dns_head_read(data, size, &h) < 0)
		return NULL;
	for (size_t i = 0; i < f->n; i++) {
		if (is_question(&f->v[i], &h) && (!f->v[i].sent || f->v[i].id == h.id)) {
			f->v[i].id = h.id;
			return &f->v[i];
		}
	}
	return NULL;
}

static void note_sent(struct asked *m, int64_t now)
{
	if (!m || m->sent)
		return;
	m->sent = true;
	m->since_us = now;
}

static bool message_sent(struct trip *f, const uint8_t *data, size_t size)
{
	note_sent(sent_message(f, data, size), f->sending_us);
	return true;
}

static bool message_came(struct trip *f, const uint8_t *data, size_t size)
{
	(void)judge_message(f, data, size);
	if (f->odd >= 0)
		end_all(f, DNS_GARBAGE, 0, arena_printf(f->ask->arena, "a message of %zd bytes, which is shorter than a header", f->odd));
	return f->odd < 0;
}

/* Bytes of a connection: calls @fn for each message that is whole now. False: what comes next is not readable. */
static bool stream_feed(struct trip *f, struct stream *s, const uint8_t *data, size_t size, bool (*fn)(struct trip *, const uint8_t *, size_t))
{
	if (!s->data && !(s->data = malloc(2 + MESSAGE_MAX))) {
		f->ask->failed = -ENOMEM;
		return false;
	}
	while (size > 0) {
		size_t want = s->got < 2 ? 2 : 2 + (size_t)(s->data[0] << 8 | s->data[1]);
		size_t n = MIN(size, want - s->got);

		memcpy(s->data + s->got, data, n);
		s->got += n;
		data += n;
		size -= n;
		want = s->got < 2 ? 2 : 2 + (size_t)(s->data[0] << 8 | s->data[1]);
		if (s->got < 2 || s->got < want)
			continue;
		s->got = 0;
		if (!fn(f, s->data + 2, want - 2))
			return false;
	}
	return true;
}

/* ---- the sockets of c-ares ---- */

static ares_socket_t hook_socket(int family, int type, int protocol, void *arg)
{
	struct trip *f = arg;
	int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);

	if (fd < 0)
		end_all(f, DNS_FAILED, errno, NULL);
	else
		error_prepare(fd, family);
	return fd;
}

static int hook_close(ares_socket_t fd, void *arg)
{
	(void)arg;
	return close(fd);
}

static void note_port(struct trip *f, int fd)
{
	struct sockaddr_storage s = { 0 };
	socklen_t size = sizeof(s);
	struct sockaddr_in v4;

	if (getsockname(fd, (struct sockaddr *)&s, &size) < 0)
		return;
	memcpy(&v4, &s, sizeof(v4)); /* the port lies at the same place in both families */
	for (size_t i = 0; i < f->n; i++)
		answer_of(&f->v[i])->source_port = ntohs(v4.sin_port);
}

static int hook_connect(ares_socket_t fd, const struct sockaddr *to, ares_socklen_t size, void *arg)
{
	struct trip *f = arg;
	int r;

	memcpy(&f->to, to, MIN((size_t)size, sizeof(f->to)));
	f->to_size = size;
	r = f->tcp ? connect(fd, to, size) : 0;
	if (!f->tcp)
		return 0;
	if (r < 0)
		socket_failed(f, fd);
	if (r == 0 || errno == EINPROGRESS) {
		int err = errno;

		note_port(f, fd);
		errno = err;
	}
	return r;
}

static ares_ssize_t receive_stream(struct trip *f, int fd, void *data, size_t size)
{
	ssize_t n = recv(fd, data, size, 0);

	if (n < 0)
		socket_failed(f, fd);
	else if (n == 0)
		end_all(f, DNS_CUT_OFF, 0, how_much(f));
	else
		(void)stream_feed(f, &f->in, data, (size_t)n, message_came);
	return n;
}

/* Did it come from where it was sent to? Both are in network byte order; the flow of IPv6 does not matter. */
static bool is_server(const struct trip *f, const struct sockaddr_storage *from, struct ip_addr *ret, uint16_t *ret_port)
{
	const struct dns_question *q = &f->ask->q[f->v[0].number];
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	memcpy(&v4, from, sizeof(v4));
	memcpy(&v6, from, sizeof(v6));
	*ret = (struct ip_addr){ .family = (uint8_t)from->ss_family };
	if (from->ss_family == AF_INET6)
		memcpy(ret->b, &v6.sin6_addr, 16);
	else
		memcpy(ret->b, &v4.sin_addr, 4);
	*ret_port = ntohs(v4.sin_port);
	return ip_addr_equal(ret, &q->server) && *ret_port == q->port;
}

/* A datagram that came: is it the answer? */
static bool judge_datagram(struct trip *f, const uint8_t *data, size_t size, const struct sockaddr_storage *from)
{
	char text[IP_ENDPOINT_STRLEN];
	struct dns_head h;
	struct ip_addr addr;
	uint16_t port;

	if (is_server(f, from, &addr, &port))
		return judge_message(f, data, size);
	(void)dns_head_read(data, size, &h);
	count_stranger(f, &h, ip_endpoint_format(&addr, port, text));
	return false;
}

/* The next datagram that is an answer; the others are passed over. */
static ares_ssize_t receive_datagram(struct trip *f, int fd, void *data, size_t size, int flags, struct sockaddr *ret_from,
				     ares_socklen_t *from_size)
{
	for (unsigned i = 0; i < DATAGRAMS_MAX; i++) {
		struct sockaddr_storage from = { 0 };
		socklen_t got = sizeof(from);
		ssize_t n = recvfrom(fd, f->ask->buf, MESSAGE_MAX, flags, (struct sockaddr *)&from, &got);

		if (n < 0 && errno == EMSGSIZE) /* only that the path takes smaller packets */
			continue;
		if (n < 0) {
			socket_failed(f, fd);
			return n;
		}
		if (!judge_datagram(f, f->ask->buf, (size_t)n, &from))
			continue;
		if (ret_from && from_size) {
			*from_size = MIN(*from_size, got);
			memcpy(ret_from, &from, *from_size);
		}
		memcpy(data, f->ask->buf, MIN((size_t)n, size));
		return (ares_ssize_t)MIN((size_t)n, size);
	}
	errno = EAGAIN;
	return -1;
}

static ares_ssize_t hook_receive(ares_socket_t fd, void *data, size_t size, int flags, struct sockaddr *from, ares_socklen_t *from_size,
				 void *arg)
{
	struct trip *f = arg;

	return f->tcp ? receive_stream(f, fd, data, size) : receive_datagram(f, fd, data, size, flags, from, from_size);
}

static void fed_bytes(struct trip *f, const struct iovec *v, int n, size_t size)
{
	for (int i = 0; i < n && size > 0; i++) {
		size_t part = MIN(v[i].iov_len, size);

		(void)stream_feed(f, &f->out, v[i].iov_base, part, message_sent);
		size -= part;
	}
}

static ares_ssize_t hook_send(ares_socket_t fd, const struct iovec *v, int n, void *arg)
{
	struct trip *f = arg;
	struct asked *m = f->tcp ? NULL : sent_message(f, v[0].iov_base, v[0].iov_len);
	struct iovec copy[16];
	struct msghdr msg = { .msg_iov = copy, .msg_iovlen = (size_t)MIN(n, (int)ARRAY_LEN(copy)) };
	ssize_t r;

	if (m && m->done) /* nothing is asked again behind our back */
		return (ares_ssize_t)v[0].iov_len;
	memcpy(copy, v, msg.msg_iovlen * sizeof(copy[0]));
	if (!f->tcp) {
		msg.msg_name = &f->to;
		msg.msg_namelen = f->to_size;
	}
	f->sending_us = clock_us();
	r = sendmsg(fd, &msg, MSG_NOSIGNAL);
	if (r < 0)
		socket_failed(f, fd);
	else if (f->tcp)
		fed_bytes(f, v, (int)msg.msg_iovlen, (size_t)r);
	else
		note_sent(m, f->sending_us);
	if (r >= 0 && !f->tcp)
		note_port(f, fd);
	return r;
}

static const struct ares_socket_functions hooks = { hook_socket, hook_close, hook_connect, hook_receive, hook_send };

/* What c-ares itself has to say: of use only where no socket told more. */
static void on_end(void *arg, int status, int timeouts, unsigned char *data, int size)
{
	struct asked *m = arg;

	(void)timeouts, (void)data, (void)size;
	if (status == ARES_ENOMEM)
		m->trip->ask->failed = -ENOMEM;
	m->status = status == ARES_EDESTRUCTION || status == ARES_ETIMEOUT ? ARES_SUCCESS : status;
}

/* ---- one try of a party ---- */

static void trip_free(struct trip *f)
{
	if (!f)
		return;
	if (f->channel)
		ares_destroy(f->channel);
	free(f->in.data);
	free(f->out.data);
	free(f);
}

static int set_server(ares_channel channel, const struct dns_question *q)
{
	struct ares_addr_port_node n = { .family = q->server.family, .udp_port = q->port, .tcp_port = q->port };

	memcpy(&n.addr, q->server.b, ip_addr_size(&q->server));
	return ares_set_servers_ports(channel, &n);
}

/* Everything is set, so that no file and no variable is asked for it. */
static int open_channel(struct trip *f, const struct dns_question *q)
{
	struct in_addr none = { htonl(INADDR_LOOPBACK) };
	char lookups[] = "b";
	struct ares_options o = {
		.flags = ARES_FLAG_IGNTC | ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_STAYOPEN |
			 (q->tcp ? ARES_FLAG_USEVC : 0),
		.timeout = 24 * 3600 * 1000, .tries = 1, .ndots = 1, .servers = &none, .nservers = 1, .lookups = lookups,
	};
	int r = ares_init_options(&f->channel, &o, ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_SERVERS |
							ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST | ARES_OPT_NOROTATE);

	if (r == ARES_SUCCESS) {
		ares_set_socket_functions(f->channel, &hooks, f);
		r = set_server(f->channel, q);
	}
	return r;
}

/* Ids that nobody can guess, and different ones within a trip. */
static void choose_ids(struct trip *f)
{
	uint16_t id = 0;

	if (getrandom(&id, sizeof(id), 0) != sizeof(id))
		id = (uint16_t)clock_us();
	for (size_t i = 0; i < f->n; i++)
		f->v[i].id = (uint16_t)(id + i * 12289);
}

static void send_all(struct trip *f)
{
	for (size_t i = 0; i < f->n && !f->v[i].done; i++) {
		uint8_t buf[DNS_QUERY_MAX];
		int size = dns_query_make(&f->ask->q[f->v[i].number], f->v[i].id, buf);

		if (size < 0)
			end_one(&f->v[i], DNS_FAILED, EINVAL, "it is no name of DNS");
		else
			ares_send(f->channel, buf, size, on_end, &f->v[i]);
	}
}

/* A pair that is lost is a loss, and not asked for again. */
static unsigned tries_of(const struct ask *k, const struct party *p)
{
	return k->q[p->members[0]].pair ? 1 : k->o->tries;
}

static int trip_start(struct ask *k, struct party *p)
{
	const struct dns_question *q = &k->q[p->members[0]];
	struct trip *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->ask = k;
	f->party = p;
	f->n = p->n;
	f->tcp = q->tcp;
	f->odd = -1;
	f->events_at = -1;
	for (size_t i = 0; i < f->n; i++) {
		f->v[i] = (struct asked){ .trip = f, .number = p->members[i] };
		k->ret[p->members[i]].tries++;
	}
	choose_ids(f);
	p->flying = true;
	p->tries++;
	k->trips[k->ntrips++] = f;
	f->until_us = clock_us() + (int64_t)k->o->try_ms * 1000 * (f->tcp ? (int64_t)tries_of(k, p) : 1);
	r = open_channel(f, q);
	if (r == ARES_ENOMEM)
		return -ENOMEM;
	if (r == ARES_SUCCESS)
		send_all(f);
	else
		end_all(f, DNS_FAILED, 0, arena_strdup(k->arena, ares_strerror(r)));
	return k->failed;
}

/* Its time is over. @whole: it had all of it. */
static void settle(struct asked *m, bool whole)
{
	struct trip *f = m->trip;

	if (f->odd >= 0)
		end_one(m, DNS_GARBAGE, 0, arena_printf(f->ask->arena, "%zd bytes that are no DNS message", f->odd));
	else if (answer_of(m)->strangers)
		end_one(m, DNS_STRANGERS, 0, m->from);
	else if (whole || answer_of(m)->tries > 1)
		end_one(m, DNS_TIMED_OUT, 0, f->tcp ? how_much(f) : NULL);
	else
		end_one(m, DNS_NOT_ASKED, 0, NULL);
}

/* c-ares gave up, and no socket said why. */
static void take_status(struct trip *f)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->v[i].status == ARES_EBADRESP && answer_of(&f->v[i])->strangers) /* since 1.26 it ends with the first of them */
			settle(&f->v[i], true);
		else if (f->v[i].status != ARES_SUCCESS)
			end_one(&f->v[i], DNS_FAILED, 0, arena_strdup(f->ask->arena, ares_strerror(f->v[i].status)));
	}
}

/* Ends a try: what is not answered is tried again while it may be. */
static void trip_end(struct ask *k, struct trip *f, int64_t now)
{
	struct party *p = f->party;
	bool again = !f->tcp && p->tries < tries_of(k, p) && now < k->until_us && !stopped(k);
	unsigned n = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (!f->v[i].done && again && f->odd < 0)
			p->members[n++] = f->v[i].number;
		else
			settle(&f->v[i], now >= f->until_us);
	}
	p->n = n;
	p->flying = false;
	trip_free(f);
}

/* ---- all of them ---- */

static bool same_server(const struct dns_question *a, const struct dns_question *b)
{
	return ip_addr_equal(&a->server, &b->server) && a->port == b->port && a->tcp == b->tcp;
}

/* A server gets few pairs at a time. */
static bool may_start(const struct ask *k, const struct party *p)
{
	const struct dns_question *q = &k->q[p->members[0]];
	unsigned pairs = 0;

	for (size_t i = 0; q->pair && i < k->ntrips; i++) {
		const struct dns_question *other = &k->q[k->trips[i]->v[0].number];

		pairs += other->pair && same_server(q, other);
	}
	return pairs < PAIRS_MAX;
}

static int start_some(struct ask *k)
{
	int r = 0;

	while (k->first < k->nparties && !k->parties[k->first].n)
		k->first++;
	for (size_t i = k->first; r == 0 && i < k->nparties && k->ntrips < k->max_trips; i++) {
		struct party *p = &k->parties[i];

		if (!p->n || p->flying || !may_start(k, p))
			continue;
		if (stopped(k) || clock_us() >= k->until_us)
			break;
		r = trip_start(k, p);
	}
	return r;
}

static void end_some(struct ask *k)
{
	int64_t now = clock_us();
	bool over = stopped(k) || now >= k->until_us;

	for (size_t i = k->ntrips; i-- > 0;) {
		struct trip *f = k->trips[i];

		take_status(f);
		if (!over && !all_done(f) && now < f->until_us)
			continue;
		k->trips[i] = k->trips[--k->ntrips];
		trip_end(k, f, now);
	}
}

/* Until something comes, or the next time limit. */
static int wait_some(struct ask *k)
{
	int64_t until = MIN(k->until_us, clock_us() + (int64_t)LOOK_MS * 1000);
	int n = 0, r;

	for (size_t i = 0; i < k->ntrips; i++) {
		struct trip *f = k->trips[i];
		ares_socket_t fd;
		int bits = ares_getsock(f->channel, &fd, 1);

		until = MIN(until, f->until_us);
		f->events_at = -1;
		if (!bits)
			continue;
		f->events_at = n;
		k->polled[n++] = (struct pollfd){ fd, (short)((ARES_GETSOCK_READABLE(bits, 0) ? POLLIN : 0) |
							      (ARES_GETSOCK_WRITABLE(bits, 0) ? POLLOUT : 0)), 0 };
	}
	r = poll(k->polled, (nfds_t)n, (int)MAX((until - clock_us() + 999) / 1000, (int64_t)0));
	return r < 0 ? -errno : r;
}

static void process_some(struct ask *k)
{
	for (size_t i = 0; i < k->ntrips; i++) {
		struct trip *f = k->trips[i];
		const struct pollfd *p = f->events_at >= 0 ? &k->polled[f->events_at] : NULL;

		if (p && (p->revents & POLLERR) && use_error(f, p->fd, 0))
			continue;
		if (p && p->revents)
			ares_process_fd(f->channel, p->fd, p->revents & POLLOUT ? p->fd : ARES_SOCKET_BAD);
	}
}

static int ask_all(struct ask *k)
{
	int r;

	while ((r = start_some(k)) == 0) {
		end_some(k);
		if (k->failed || stopped(k) || clock_us() >= k->until_us || (!k->ntrips && k->first >= k->nparties))
			break;
		if (!k->ntrips)
			continue;
		r = wait_some(k);
		if (r > 0)
			process_some(k);
		else if (r < 0 && r != -EINTR)
			return r;
		end_some(k);
	}
	if (r == 0)
		end_some(k); /* what is still under way has no time left */
	return r < 0 ? r : k->failed;
}

/* ---- before ---- */

/* Why it cannot be asked; NULL: it can. */
static const char *refuse(const struct dns_question *q, int *ret_error)
{
	uint8_t buf[DNS_QUERY_MAX];

	*ret_error = EINVAL;
	if (q->server.family != AF_INET && q->server.family != AF_INET6)
		return "no server is known";
	if (q->server.family == AF_INET6 && ip_addr_is_linklocal(&q->server))
		return "a link-local address without its interface";
	if (!q->port)
		return "there is no port 0";
	if (dns_query_make(q, 0, buf) < 0)
		return "it is no name of DNS";
	return NULL;
}

/* The party that a question belongs to: those of a pair are few steps apart. */
static struct party *party_of(struct ask *k, size_t number)
{
	const struct dns_question *q = &k->q[number];

	for (size_t i = k->nparties; q->pair && i-- > 0 && k->nparties - i <= 64;) {
		const struct dns_question *other = &k->q[k->parties[i].members[0]];

		if (other->pair == q->pair && same_server(q, other) && k->parties[i].n < PARTY_MAX)
			return &k->parties[i];
	}
	return &k->parties[k->nparties++];
}

static int prepare(struct ask *k, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct dns_answer *a = &k->ret[i];

		*a = (struct dns_answer){ .q = k->q[i], .end = DNS_NOT_ASKED };
		a->q.name = arena_strdup(k->arena, k->q[i].name);
		if (!a->q.name)
			return -ENOMEM;
		a->why = refuse(&k->q[i], &a->error);
		if (a->why) {
			a->end = DNS_FAILED;
			continue;
		}
		a->error = 0;
		struct party *p = party_of(k, i);
		p->members[p->n++] = i;
	}
	return 0;
}

static void ask_release(struct ask *k)
{
	for (size_t i = 0; i < k->ntrips; i++)
		trip_free(k->trips[i]);
	free(k->trips);
	free(k->parties);
	free(k->polled);
	free(k->buf);
}

int dns_ask(struct arena *arena, const struct dns_question *q, size_t n, const struct dns_ask_options *o, struct dns_answer *ret)
{
	CLEANUP(ask_release) struct ask k = { .arena = arena, .q = q, .o = o, .ret = ret, .max_trips = MIN(o->parallel, PARALLEL_MAX) };
	int r;

	if (!o->parallel || !o->tries || o->try_ms <= 0 || o->all_ms <= 0)
		return -EINVAL;
	if (!n)
		return 0;
	k.parties = calloc(n, sizeof(*k.parties));
	k.trips = calloc(k.max_trips, sizeof(*k.trips));
	k.polled = calloc(k.max_trips, sizeof(*k.polled));
	k.buf = malloc(MESSAGE_MAX);
	if (!k.parties || !k.trips || !k.polled || !k.buf || prepare(&k, n) < 0)
		return -ENOMEM;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
		return -ENOMEM;
	k.until_us = clock_us() + (int64_t)o->all_ms * 1000;
	r = ask_all(&k);
	for (; k.ntrips > 0; k.ntrips--)
		trip_free(k.trips[k.ntrips - 1]);
	ares_library_cleanup();
	return r;
}
