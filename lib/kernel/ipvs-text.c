/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtual servers and their servers in both forms of ipvsadm 1.31 (print_service_entry in its ipvsadm.c), in which three things are said
 * otherwise here: a firewall mark above 2^31 is no negative number, scheduler flags without a name of the scheduler's own are not left out,
 * and `ipvsadm -Sn` has -x and -y, which ipvsadm -R takes.
 */
#include <netinet/in.h>

#include "ipvs-private.h"

#define SCHED_FLAGS (IP_VS_SVC_F_SCHED1 | IP_VS_SVC_F_SCHED2 | IP_VS_SVC_F_SCHED3)

void ipvs_reading_release(struct ipvs_reading *r)
{
	array_free(&r->services);
	array_free(&r->dests);
}

/* ---- order, equality ---- */

static int by_number(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

static int by_service(const void *x, const void *y)
{
	const struct ipvs_service *a = x, *b = y;
	int r = by_number(a->fwmark, b->fwmark);

	r = r ? r : by_number(a->family, b->family);
	r = r ? r : by_number(a->proto, b->proto);
	r = r ? r : memcmp(a->addr, b->addr, sizeof(a->addr));
	return r ? r : by_number(a->port, b->port);
}

static int by_dest(const void *x, const void *y)
{
	const struct ipvs_dest *a = x, *b = y;
	int r = by_number(a->family, b->family);

	r = r ? r : memcmp(a->addr, b->addr, sizeof(a->addr));
	return r ? r : by_number(a->port, b->port);
}

void ipvs_sort(struct ipvs_reading *r)
{
	if (r->services.len)
		qsort(r->services.v, r->services.len, sizeof(*r->services.v), by_service);
	for (size_t i = 0; i < r->services.len; i++)
		if (r->services.v[i].ndests)
			qsort(r->dests.v + r->services.v[i].first, r->services.v[i].ndests, sizeof(*r->dests.v), by_dest);
}

static bool same_service(const struct ipvs_reading *a, const struct ipvs_reading *b, size_t i)
{
	const struct ipvs_service *s = &a->services.v[i], *t = &b->services.v[i];

	if (memcmp(s, t, offsetof(struct ipvs_service, first)) != 0 || s->ndests != t->ndests)
		return false;
	for (uint32_t k = 0; k < s->ndests; k++)
		if (memcmp(&a->dests.v[s->first + k], &b->dests.v[t->first + k], offsetof(struct ipvs_dest, active)) != 0)
			return false;
	return true;
}

bool ipvs_same(const struct ipvs_reading *a, const struct ipvs_reading *b)
{
	if (a->services.len != b->services.len)
		return false;
	for (size_t i = 0; i < a->services.len; i++)
		if (!same_service(a, b, i))
			return false;
	return true;
}

/* ---- words ---- */

static void add_endpoint(struct strbuf *b, uint32_t family, const uint8_t *addr, uint16_t port)
{
	char text[INET6_ADDRSTRLEN], line[INET6_ADDRSTRLEN + 12];
	bool ip6 = family == AF_INET6;
	int n;

	if (!inet_ntop((int)family, addr, text, sizeof(text)))
		text[0] = '\0';
	n = snprintf(line, sizeof(line), "%s%s%s:%u", ip6 ? "[" : "", text, ip6 ? "]" : "", port);
	strbuf_add(b, line, (size_t)n);
}

static void add_service_save(struct strbuf *b, const struct ipvs_service *s)
{
	if (s->fwmark) {
		strbuf_addf(b, "-f %u%s", s->fwmark, s->family == AF_INET6 ? " -6" : "");
		return;
	}
	strbuf_adds(b, s->proto == IPPROTO_TCP ? "-t " : s->proto == IPPROTO_UDP ? "-u " : "--sctp-service ");
	add_endpoint(b, s->family, s->addr, s->port);
}

static void add_service_list(struct strbuf *b, const struct ipvs_service *s)
{
	if (s->fwmark) {
		strbuf_addf(b, "FWM  %u%s", s->fwmark, s->family == AF_INET6 ? " IPv6" : "");
		return;
	}
	strbuf_adds(b, s->proto == IPPROTO_TCP ? "TCP  " : s->proto == IPPROTO_UDP ? "UDP  " : "SCTP ");
	add_endpoint(b, s->family, s->addr, s->port);
}

/* The names that sh and mh have for the first two flags. */
static void add_flags(struct strbuf *b, const struct ipvs_service *s)
{
	static const char *const names[][3] = {
		{ "flag-1", "flag-2", "flag-3" }, { "sh-fallback", "sh-port", "flag-3" }, { "mh-fallback", "mh-port", "flag-3" }
	};
	static const uint32_t bits[] = { IP_VS_SVC_F_SCHED1, IP_VS_SVC_F_SCHED2, IP_VS_SVC_F_SCHED3 };
	unsigned row = str_is(s->scheduler, "sh") ? 1 : str_is(s->scheduler, "mh") ? 2 : 0;
	bool first = true;

	for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
		if (!(s->flags & bits[i]))
			continue;
		strbuf_adds(b, first ? "" : ",");
		strbuf_adds(b, names[row][i]);
		first = false;
	}
}

/* @word: " -p ", and how the mask begins: " -M ". */
static void add_persistence(struct strbuf *b, const struct ipvs_service *s, const char *word, const char *mask)
{
	static const uint8_t all[4] = { 255, 255, 255, 255 };
	char text[INET_ADDRSTRLEN];

	if (!(s->flags & IP_VS_SVC_F_PERSISTENT))
		return;
	strbuf_addf(b, "%s%u", word, s->timeout);
	if (s->family == AF_INET6 && s->prefix != 128)
		strbuf_addf(b, "%s%u", mask, s->prefix);
	if (s->family == AF_INET && memcmp(s->netmask, all, sizeof(all)) != 0 && inet_ntop(AF_INET, s->netmask, text, sizeof(text)))
		strbuf_addf(b, "%s%s", mask, text);
}

/* ---- ipvsadm -Sn ---- */

static void save_service(struct strbuf *b, const struct ipvs_service *s)
{
	strbuf_adds(b, "-A ");
	add_service_save(b, s);
	strbuf_adds(b, " -s ");
	strbuf_adds(b, s->scheduler);
	add_persistence(b, s, " -p ", " -M ");
	if (s->engine[0]) {
		strbuf_adds(b, " --pe ");
		strbuf_adds(b, s->engine);
	}
	if (s->flags & IP_VS_SVC_F_ONEPACKET)
		strbuf_adds(b, " -o");
	if (s->flags & SCHED_FLAGS) {
		strbuf_adds(b, " -b ");
		add_flags(b, s);
	}
	strbuf_addc(b, '\n');
}

/* False: ipvsadm has no word for it. */
static bool save_tunnel(struct strbuf *b, const struct ipvs_dest *d)
{
	static const char *const types[] = { "ipip", "gue", "gre" };

	if (d->tunnel >= ARRAY_LEN(types))
		return false;
	strbuf_addf(b, " --tun-type %s", types[d->tunnel]);
	if (d->tunnel == IP_VS_CONN_F_TUNNEL_TYPE_IPIP)
		return true;
	if (d->tunnel == IP_VS_CONN_F_TUNNEL_TYPE_GUE)
		strbuf_addf(b, " --tun-port %u", d->tunnel_port);
	strbuf_adds(b, d->tunnel_flags & IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM ? " --tun-remcsum" :
		       d->tunnel_flags & IP_VS_TUNNEL_ENCAP_FLAG_CSUM	 ? " --tun-csum" :
									   " --tun-nocsum");
	return true;
}

static bool save_dest(struct strbuf *b, const char *service, size_t len, const struct ipvs_dest *d)
{
	uint32_t method = d->method & IP_VS_CONN_F_FWD_MASK;
	bool known = true;

	strbuf_add(b, service, len);
	add_endpoint(b, d->family, d->addr, d->port);
	/* As ipvsadm: a server on the node itself (which the kernel decides for each packet) is one of the route method. */
	strbuf_adds(b, method == IP_VS_CONN_F_MASQ ? " -m" : method == IP_VS_CONN_F_TUNNEL ? " -i" : " -g");
	strbuf_addf(b, " -w %d", d->weight);
	if (method == IP_VS_CONN_F_TUNNEL)
		known = save_tunnel(b, d);
	if (d->upper || d->lower)
		strbuf_addf(b, " -x %u -y %u", d->upper, d->lower);
	if (!known || method > IP_VS_CONN_F_DROUTE || d->weight < 0)
		strbuf_adds(b, " --svcdoctor-unknown");
	strbuf_addc(b, '\n');
	return known && method <= IP_VS_CONN_F_DROUTE && d->weight >= 0;
}

void ipvs_print_save(struct strbuf *b, struct ipvs_reading *r)
{
	struct strbuf head = STRBUF_INIT;

	r->odd = 0;
	for (size_t i = 0; i < r->services.len; i++) {
		const struct ipvs_service *s = &r->services.v[i];

		save_service(b, s);
		strbuf_reset(&head);
		strbuf_adds(&head, "-a ");
		add_service_save(&head, s);
		strbuf_adds(&head, " -r ");
		for (uint32_t k = 0; k < s->ndests; k++)
			r->odd += !save_dest(b, strbuf_str(&head), head.len, &r->dests.v[s->first + k]);
	}
	b->failed = b->failed || head.failed;
	strbuf_release(&head);
}

/* ---- ipvsadm -ln ---- */

static void list_service(struct strbuf *b, const struct ipvs_service *s)
{
	add_service_list(b, s);
	strbuf_addc(b, ' ');
	strbuf_adds(b, s->scheduler);
	if (s->flags & SCHED_FLAGS) {
		strbuf_adds(b, " (");
		add_flags(b, s);
		strbuf_addc(b, ')');
	}
	add_persistence(b, s, " persistent ", " mask ");
	if (s->engine[0]) {
		strbuf_adds(b, " pe ");
		strbuf_adds(b, s->engine);
	}
	if (s->flags & IP_VS_SVC_F_ONEPACKET)
		strbuf_adds(b, " ops");
	strbuf_addc(b, '\n');
}

static void list_dest(struct strbuf *b, const struct ipvs_dest *d)
{
	static const char *const methods[] = { "Masq", "Local", "Tunnel", "Route" };
	uint32_t method = d->method & IP_VS_CONN_F_FWD_MASK;
	size_t start;

	strbuf_adds(b, "  -> ");
	start = b->len;
	add_endpoint(b, d->family, d->addr, d->port);
	while (b->len < start + 28 && !b->failed)
		strbuf_addc(b, ' ');
	strbuf_addf(b, " %-7s %-6d %-10u %-10u\n", method < ARRAY_LEN(methods) ? methods[method] : "svcdoctor-unknown", d->weight, d->active,
		    d->inactive);
}

void ipvs_print_list(struct strbuf *b, const struct ipvs_reading *r)
{
	strbuf_addf(b, "IP Virtual Server version %u.%u.%u (size=%u)\n", r->version >> 16 & 255, r->version >> 8 & 255, r->version & 255,
		    r->table_size);
	strbuf_adds(b, "Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n");
	for (size_t i = 0; i < r->services.len; i++) {
		const struct ipvs_service *s = &r->services.v[i];

		list_service(b, s);
		for (uint32_t k = 0; k < s->ndests; k++)
			list_dest(b, &r->dests.v[s->first + k]);
	}
}
