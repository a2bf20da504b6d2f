/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the end of a try means, and how it is said: who sent an ICMP error, which errors are a rule's and which a missing way's. */
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include "connect-private.h"

/* Codes of "destination unreachable": RFC 792, RFC 1812, RFC 4443. What a REJECT sends is a rule's; the rest is a router's. */
static const struct {
	const char *text;
	bool rule;
} codes4[] = {
	{ "network unreachable", false },	  { "host unreachable", false },	   { "protocol unreachable", true },
	{ "port unreachable", true },		  { "fragmentation needed", false },	   { "source route failed", false },
	{ "network unknown", false },		  { "host unknown", false },		   { "host isolated", false },
	{ "network prohibited", true },		  { "host prohibited", true },		   { "network unreachable for this TOS", false },
	{ "host unreachable for this TOS", false }, { "administratively prohibited", true },
}, codes6[] = {
	{ "no route", false },		 { "administratively prohibited", true }, { "beyond the scope", false },   { "address unreachable", false },
	{ "port unreachable", true },	 { "policy refuses the source", true },	  { "reject route", false },
};

static bool by_rule(const struct snap_try *y, uint8_t family)
{
	if (family == AF_INET6)
		return y->icmp_type == ICMP6_DST_UNREACH && y->icmp_code < ARRAY_LEN(codes6) && codes6[y->icmp_code].rule;
	return y->icmp_type == ICMP_DEST_UNREACH && y->icmp_code < ARRAY_LEN(codes4) && codes4[y->icmp_code].rule;
}

static const char *icmp_words(struct run *r, const struct snap_try *y, uint8_t family)
{
	bool six = family == AF_INET6;

	if (six && y->icmp_type == ICMP6_DST_UNREACH && y->icmp_code < ARRAY_LEN(codes6))
		return codes6[y->icmp_code].text;
	if (!six && y->icmp_type == ICMP_DEST_UNREACH && y->icmp_code < ARRAY_LEN(codes4))
		return codes4[y->icmp_code].text;
	if (y->icmp_type == (six ? ICMP6_TIME_EXCEEDED : ICMP_TIME_EXCEEDED))
		return "time exceeded, a loop of routes";
	return run_printf(r, "type %u code %u", y->icmp_type, y->icmp_code);
}

static bool is_own(const struct connect_plan *p, const struct ip_addr *a)
{
	for (size_t i = 0; i < p->client.naddrs; i++)
		if (ip_addr_equal(&p->client.addrs[i], a))
			return true;
	return ip_addr_is_loopback(a);
}

static bool is_port_unreachable(const struct snap_try *y, uint8_t family)
{
	return family == AF_INET6 ? y->icmp_type == ICMP6_DST_UNREACH && y->icmp_code == ICMP6_DST_UNREACH_NOPORT
				  : y->icmp_type == ICMP_DEST_UNREACH && y->icmp_code == ICMP_PORT_UNREACH;
}

enum connect_fault connect_fault_of(const struct connect_target *t, const struct snap_try *y)
{
	bool datagram = t->way == WAY_UDP || t->way == WAY_DNS;

	switch (y ? y->end : TRY_NOT_MADE) {
	case TRY_ANSWERED:
		return y->status >= 500 && t->way == WAY_HTTP ? FAULT_HTTP : FAULT_NONE;
	case TRY_REFUSED:
		return FAULT_REFUSED;
	case TRY_REJECTED:
		/* this is how a host says that nothing listens there */
		if (datagram && ip_addr_equal(&y->from, &t->addr) && is_port_unreachable(y, t->addr.family))
			return FAULT_REFUSED;
		return by_rule(y, t->addr.family) ? FAULT_RULE : FAULT_ROUTE;
	case TRY_UNSENDABLE:
		return y->error == EPERM ? FAULT_RULE : FAULT_ROUTE;
	case TRY_SILENT:
		return t->way == WAY_UDP ? FAULT_NONE : FAULT_SILENT;
	case TRY_ENDED:
	case TRY_MUTE:
	case TRY_STRANGE:
		return FAULT_HTTP;
	default:
		return FAULT_UNKNOWN;
	}
}

/* The one that says most: a fault before a silence that is none, and anything before what was not made. */
const struct snap_try *connect_worst(const struct connect_target *t)
{
	const struct snap_try *worst = NULL;
	int rank = -1;

	for (size_t i = 0; i < t->count; i++) {
		enum connect_fault f = connect_fault_of(t, &t->tries[i]);
		int mine = f == FAULT_UNKNOWN ? (t->tries[i].end == TRY_FAILED) : f == FAULT_NONE ? 2 + (t->tries[i].end != TRY_ANSWERED) : 4;

		if (mine > rank) {
			rank = mine;
			worst = &t->tries[i];
		}
	}
	return rank > 0 ? worst : NULL;
}

/* ---- words ---- */

static const char *owner_node(const struct run *r, const struct ip_addr *a)
{
	for (size_t i = 0; i < r->c->nodes.len; i++)
		for (size_t k = 0; k < r->c->nodes.v[i]->naddresses; k++)
			if (ip_addr_equal(&r->c->nodes.v[i]->addresses[k].ip, a))
				return r->c->nodes.v[i]->meta.name;
	for (size_t i = 0; i < r->s->nodes.len; i++)
		if (r->s->nodes.v[i]->facts.addrs_known && node_is_local(&r->s->nodes.v[i]->facts, a) == TRI_TRUE)
			return r->s->nodes.v[i]->name;
	return NULL;
}

static const char *sender_words(struct run *r, const struct connect_plan *p, const struct connect_target *t, const struct ip_addr *a)
{
	char buf[IP_ADDR_STRLEN];
	const char *node;

	if (!a->family)
		return "somebody";
	if (is_own(p, a))
		return p->client.entered ? "the client's own namespace" : p->client.in_pod ? "this pod itself" : "this machine itself";
	if (ip_addr_equal(a, &t->addr))
		return t->kind == CONNECT_ENDPOINT ? "the endpoint's address" : "the address itself";
	node = owner_node(r, a);
	return run_printf(r, node ? "%s (%s)" : "%s", ip_addr_format(a, buf), node);
}

static const char *unsendable_words(int error)
{
	switch (error) {
	case ENETUNREACH:
		return "no route to it here";
	case EINVAL:
		return "a blackhole route here";
	case EACCES:
		return "a prohibit route here";
	case EPERM:
		return "a rule here drops what is sent there";
	case ENETDOWN:
		return "the interface is down here";
	default:
		return "unreachable from here";
	}
}

const char *connect_end_words(struct run *r, const struct connect_plan *p, const struct connect_target *t, const struct snap_try *y)
{
	switch (y ? y->end : TRY_NOT_MADE) {
	case TRY_ANSWERED:
		if (t->way == WAY_HTTP)
			return run_printf(r, "HTTP %u", y->status);
		return t->way == WAY_DNS ? run_printf(r, "DNS answers, code %u", y->status) : "answers";
	case TRY_REFUSED:
		return y->unsure ? "refused" : "refused by an RST";
	case TRY_REJECTED:
		return run_printf(r, "ICMP %s from %s", icmp_words(r, y, t->addr.family), sender_words(r, p, t, &y->from));
	case TRY_UNSENDABLE:
		return unsendable_words(y->error);
	case TRY_SILENT:
		return run_printf(r, "silent for %.3g s%s", y->us / 1e6, t->way == WAY_UDP ? ", as a UDP program may be" : "");
	case TRY_ENDED:
		return "takes the connection and ends it without an answer";
	case TRY_MUTE:
		return run_printf(r, "takes the connection and is silent for %.3g s", y->us / 1e6);
	case TRY_STRANGE:
		return t->way == WAY_DNS ? "answers, and not as DNS" : "answers, and not as HTTP";
	case TRY_FAILED:
		return run_printf(r, "could not be tried: %s", sd_strerror(-y->error));
	default:
		return "not tried: no time was left";
	}
}

static uint32_t fastest_us(const struct connect_target *t)
{
	uint32_t least = UINT32_MAX;

	for (size_t i = 0; i < t->count; i++)
		if (t->tries[i].end == TRY_ANSWERED)
			least = MIN(least, t->tries[i].us);
	return least;
}

const char *connect_result_words(struct run *r, const struct connect_plan *p, const struct connect_target *t)
{
	const struct snap_try *y = connect_worst(t);
	const char *words = connect_end_words(r, p, t, y);

	if (t->answered > 0 && t->answered == t->made && connect_fault_of(t, y) == FAULT_NONE)
		return run_printf(r, "ok   %s%s%.3g ms", t->way == WAY_TCP || t->way == WAY_UDP ? "" : words, t->way == WAY_TCP || t->way == WAY_UDP ? "" : ", ",
				  fastest_us(t) / 1e3);
	if (t->answered > 0 && t->answered < t->made)
		return run_printf(r, "%u failed: %s", t->made - t->answered, words);
	return words;
}

const char *connect_address(struct run *r, const struct connect_target *t)
{
	char buf[IP_ENDPOINT_STRLEN];

	return run_printf(r, "%s", ip_endpoint_format(&t->addr, t->number, buf));
}

const char *connect_target_words(struct run *r, const struct connect_target *t)
{
	const char *a = connect_address(r, t);

	if (t->kind != CONNECT_ENDPOINT)
		return a;
	if (t->pod)
		return run_printf(r, t->node ? "%s (Pod %s/%s on %s)" : "%s (Pod %s/%s)", a, t->pod->meta.ns, t->pod->meta.name, t->node);
	return t->node ? run_printf(r, "%s (on %s)", a, t->node) : a;
}

const char *connect_client_words(struct run *r, const struct connect_client *c)
{
	switch (c->from) {
	case FROM_NODE:
		return run_printf(r, "node %s", c->name);
	case FROM_POD:
		return c->pod ? run_printf(r, c->node ? "Pod %s on %s" : "Pod %s", c->name, c->node)
			      : run_printf(r, "%s on %s", c->entered ? "a network namespace" : "a pod", c->node);
	case FROM_OUTSIDE:
		return "this machine, outside the cluster";
	case FROM_UNKNOWN:
		break;
	}
	return c->entered ? "the network namespace" : c->in_pod ? "this pod" : "this machine";
}
