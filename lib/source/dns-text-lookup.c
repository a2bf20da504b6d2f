/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What nslookup of BIND 9.11 and later and of busybox, host and getent print. None of them shows messages: records and refusals are put together to answers, one
 * for each name and type. BIND's nslookup and host ask for A and then for AAAA, under the name that the search list led to, and say which that was; getent and
 * nslookup of busybox before 1.29 ask the libc, and tell only what somebody typed. Sources: bin/dig/nslookup.c and host.c of BIND 9.18, networking/nslookup.c
 * and nslookup_old.c of busybox 1.35, nss/getent.c of glibc 2.36.
 */

#include <errno.h>
#include <netinet/in.h>
#include <strings.h>

#include "dns-text-private.h"

/* ---- records that stand alone ---- */

#define RRSIG 46

/* The type that the command asks for everywhere; 0: A and AAAA, one after the other. */
static uint16_t command_type(const struct dns_text *t)
{
	const struct dns_command *c = &t->cmd;

	if (c->tool == TOOL_NONE || c->nq == 0 || c->q[0].type <= 0 || c->q[0].type == DNS_ANY)
		return 0;
	return (uint16_t)c->q[0].type;
}

static bool belongs(const struct dns_text *t, const struct dns_record *r)
{
	if (!t->open || !t->bare || t->a.rcode != DNS_NOERROR || !t->chain)
		return false;
	if (r->type == DNS_DNAME)
		return t->value_type == 0 && dns_name_inside(t->chain, r->owner);
	if (!dns_name_equal(t->chain, r->owner))
		return false;
	return r->type == DNS_CNAME ? t->value_type == 0 : t->value_type == 0 || t->value_type == r->type || r->type == RRSIG;
}

static void set_server(struct dns_text *t)
{
	if (t->server.family) {
		t->a.q.server = t->server;
		t->a.q.port = t->server_port;
	}
	t->a.q.tcp |= t->truncated;
}

/* What dig was told to ask stands for the first of its records. */
static const char *asked_name(const struct dns_text *t, const struct dns_record *r)
{
	const struct dns_command *c = &t->cmd;
	const bool dig = c->tool == TOOL_DIG || c->tool == TOOL_KDIG;

	if (dig && !c->search && c->next < c->nq && (r->type == DNS_DNAME ? dns_name_inside(c->q[c->next].name, r->owner) : dns_name_equal(c->q[c->next].name, r->owner)))
		return c->q[c->next].name;
	return r->owner;
}

static void see(struct dns_text *t, const char *name, uint16_t type)
{
	if (t->nseen == ARRAY_LEN(t->seen))
		return;
	t->seen[t->nseen].name = name;
	t->seen[t->nseen++].type = type;
}

static bool is_seen(const struct dns_text *t, const char *name, uint16_t type)
{
	for (size_t i = 0; i < t->nseen; i++)
		if (t->seen[i].type == type && dns_name_equal(t->seen[i].name, name))
			return true;
	return false;
}

void dns_text_bare(struct dns_text *t, const struct dns_record *r)
{
	if (!belongs(t, r)) {
		dns_text_begin(t, true);
		t->a.q.name = t->chain = asked_name(t, r);
		t->a.q.type = r->type == DNS_CNAME || r->type == DNS_DNAME ? command_type(t) ? command_type(t) : DNS_A : r->type;
		t->has_question = true;
		set_server(t);
	}
	dns_text_take(t, r, false);
	if (r->type == DNS_CNAME) {
		t->chain = r->target;
	} else if (r->type != DNS_DNAME && r->type != RRSIG && t->value_type == 0) {
		t->value_type = t->a.q.type = r->type;
		see(t, t->a.q.name, r->type);
	}
}

/* The same of a program that goes through the search list. */
static void take_found(struct dns_text *t, const struct dns_record *r)
{
	if (!r->owner)
		return;
	dns_text_bare(t, r);
	t->lookup = true;
}

/* A name for which the server had something else than records. */
static void not_found(struct dns_text *t, const char *name, int rcode, bool unsure)
{
	uint16_t type = command_type(t);

	if (!name || rcode < 0)
		return;
	if (!type && (dns_name_inside(name, "in-addr.arpa") || dns_name_inside(name, "ip6.arpa")))
		type = DNS_PTR;
	if (!type)
		type = is_seen(t, name, DNS_A) ? DNS_AAAA : DNS_A;
	if (t->open && t->bare && t->chain && t->value_type == 0 && t->answers.len > 0 && dns_name_equal(t->chain, name)) {
		t->a.rcode = (uint8_t)rcode;
	} else {
		dns_text_begin(t, true);
		t->a.q.name = name;
		t->a.rcode = (uint8_t)rcode;
		set_server(t);
	}
	t->a.q.type = type;
	t->a.records_unknown = unsure;
	t->has_question = t->lookup = true;
	see(t, name, type);
	dns_text_end(t);
}

void dns_text_blank(struct dns_text *t)
{
	if (t->open && t->bare)
		dns_text_end(t);
	t->in_server = t->host_server = false;
	t->alone = NULL;
}

/* ---- nslookup ---- */

static void begin_lookup(struct dns_text *t)
{
	dns_text_end(t);
	t->server = (struct ip_addr){ 0 };
	t->server_port = 53;
	t->in_server = true;
	t->bind = t->old_busybox = t->not_authoritative = false;
	t->name = t->alone = NULL;
	t->nseen = 0;
}

/* "Address: 10.96.0.10#53" below "Server:" */
static void take_server(struct dns_text *t, const char *value)
{
	const size_t len = strcspn(value, " \t");

	(void)dns_text_server(value, len, &t->server, &t->server_port);
	t->bind |= memchr(value, '#', len) != NULL;
}

static void take_address(struct dns_text *t, const char *value, const char *canonical)
{
	struct dns_record r = { .owner = canonical ? canonical : t->name };
	size_t len = strcspn(value, " \t");

	if (!t->name || ip_addr_parsen(value, len, &r.addr) < 0) {
		dns_text_bad(t, "it is no address of a name");
		return;
	}
	r.type = r.addr.family == AF_INET ? DNS_A : DNS_AAAA;
	if (!t->old_busybox) {
		take_found(t, &r);
		t->a.aa = !t->not_authoritative;
		return;
	}
	/* it asked the libc: of the name only what was typed is known */
	if (!t->open || t->a.q.type != r.type) {
		dns_text_begin(t, true);
		t->a.q.name = t->name;
		t->a.q.type = r.type;
		t->a.searched = t->a.records_unknown = true;
		t->has_question = t->lookup = true;
		t->value_type = r.type;
		set_server(t);
	}
	dns_text_take(t, &r, false);
}

/* Behind "Address:", "Address 1:", "Addresses:"; NULL: it is no such line. */
static const char *address_of(const char *line, bool *ret_numbered)
{
	const char *p = line + 7;

	if (!str_starts(line, "Address"))
		return NULL;
	*ret_numbered = *p == ' ' && p[1] >= '0' && p[1] <= '9';
	if (*ret_numbered)
		p += 1 + strspn(p + 1, "0123456789");
	if (*p != ':')
		return NULL;
	p++;
	return p + strspn(p, " \t");
}

static bool is_address_line(struct dns_text *t, const char *line)
{
	bool numbered = false;
	const char *value = address_of(line, &numbered), *canonical = NULL;

	if (!value)
		return false;
	if (t->in_server || t->host_server) {
		take_server(t, value);
		t->old_busybox = numbered;
		return true;
	}
	t->old_busybox |= numbered;
	if (numbered) {
		const char *rest = value + strcspn(value, " \t");

		rest += strspn(rest, " \t");
		canonical = *rest ? dns_text_name(t, rest, strcspn(rest, " \t")) : NULL;
	}
	take_address(t, value, canonical);
	return true;
}

static const char *word_name(struct dns_text *t, const char *s)
{
	return dns_text_name(t, s, strcspn(s, " \t"));
}

static bool is_name_line(struct dns_text *t, const char *line)
{
	if (!str_starts(line, "Name:"))
		return false;
	if (!t->host_server)
		t->name = word_name(t, line + 5 + strspn(line + 5, " \t"));
	t->in_server = false;
	return true;
}

static bool is_server_line(struct dns_text *t, const char *line)
{
	const char *value = line + 7;

	if (!str_starts(line, "Server:"))
		return false;
	begin_lookup(t);
	take_server(t, value + strspn(value, " \t"));
	return true;
}

/* "x	canonical name = y." and its like */
static bool is_equation(struct dns_text *t, const char *line)
{
	static const struct {
		const char *words;
		uint16_t type;
	} verbs[] = { { "canonical name = ", DNS_CNAME }, { "service = ", DNS_SRV },	{ "text = ", DNS_TXT }, { "mail exchanger = ", DNS_MX },
		      { "nameserver = ", DNS_NS },	  { "name = ", DNS_PTR },	{ "has AAAA address ", DNS_AAAA } };
	size_t len = strcspn(line, " \t");
	const char *rest = line + len + strspn(line + len, " \t");
	struct dns_record r = { 0 };

	for (size_t i = 0; len > 0 && i < ARRAY_LEN(verbs); i++) {
		if (!str_starts(rest, verbs[i].words))
			continue;
		r.owner = dns_text_name(t, line, len);
		r.type = verbs[i].type;
		if (!r.owner || !dns_text_value(t, rest + strlen(verbs[i].words), &r))
			return false;
		take_found(t, &r);
		t->a.aa = !t->not_authoritative;
		t->in_server = false;
		return true;
	}
	return false;
}

/* An SOA: its name, and below it "origin = ...", "minimum = ...", each on a line of its own. */
static bool is_soa_part(struct dns_text *t, const char *line)
{
	const char *p = line + strspn(line, " \t"), *value = strstr(p, " = ");
	struct dns_record r = { .owner = t->alone, .type = DNS_SOA };
	struct dns_record *soa = t->open && t->answers.len > 0 ? &t->answers.v[t->answers.len - 1] : NULL;
	uint64_t n;

	if (!value || p == line)
		return false;
	if (str_starts(p, "origin = ")) {
		r.target = word_name(t, value + 3);
		if (!r.owner || !r.target)
			return false;
		take_found(t, &r);
	} else if (str_starts(p, "minimum = ") && soa && soa->type == DNS_SOA) {
		if (parse_uint(value + 3, strlen(value + 3), UINT32_MAX, &n) == 0)
			soa->minimum = (uint32_t)n;
	}
	return true;
}

/* "** server can't find x: NXDOMAIN", "*** Can't find x: No answer" */
static bool is_refusal(struct dns_text *t, const char *line)
{
	static const char find[] = " can't find ";
	const char *name, *colon;

	if (!str_starts(line, "** server can't find ") && !str_starts(line, "*** Can't find ") && !str_starts(line, "*** "))
		return false;
	t->in_server = false;
	name = strcasestr(line, find);
	name = name ? name + sizeof(find) - 1 : NULL;
	colon = name ? strrchr(name, ':') : NULL;
	if (!colon || colon[1] != ' ')
		return false;
	if (strcasecmp(colon + 2, "No answer") == 0)
		/* busybox says so of a server that is silent, too */
		not_found(t, dns_text_name(t, name, (size_t)(colon - name)), DNS_NOERROR, !t->bind);
	else if (dns_text_rcode(colon + 2, strlen(colon + 2)) > 0)
		not_found(t, dns_text_name(t, name, (size_t)(colon - name)), dns_text_rcode(colon + 2, strlen(colon + 2)), false);
	else
		return false;
	return true;
}

/* What a libc said: the words of glibc and of musl for EAI_NONAME. */
static bool is_no_name(const char *why)
{
	return strstr(why, "does not resolve") || strstr(why, "not known");
}

/* "nslookup: can't resolve 'x': Name does not resolve" of busybox, of which "(null)" is its server */
static bool is_complaint(struct dns_text *t, const char *line)
{
	const char *name = strstr(line, " '"), *end = name ? strchr(name + 2, '\'') : NULL;
	struct dns_fault f = { .port = 53, .end = DNS_PORT_CLOSED };
	struct dns_answer a = { .searched = true, .q = { .type = DNS_A, .port = 53 } };

	if (!str_starts(line, "nslookup: ") || !end)
		return false;
	name += 2;
	if (strstr(line, "write to '")) {
		f.end = strstr(end, "refused") ? DNS_PORT_CLOSED : strstr(end, "nreachable") ? DNS_UNREACHABLE : DNS_FAILED;
		if (dns_text_server(name, (size_t)(end - name), &f.server, &f.port))
			dns_text_fault(t, &f);
		return true;
	}
	dns_text_end(t);
	if (!strstr(line, "can't resolve '") || strncmp(name, "(null)", 6) == 0)
		return true;
	a.q.name = dns_text_name(t, name, (size_t)(end - name));
	a.end = is_no_name(end) ? DNS_ANSWERED : DNS_FAILED;
	a.rcode = a.end == DNS_ANSWERED ? DNS_NXDOMAIN : 0;
	a.why = end[1] == ':' ? dns_text_copy(t, end + 2 + strspn(end + 2, " "), strlen(end + 2 + strspn(end + 2, " "))) : "nslookup does not say why";
	a.q.server = t->server;
	a.q.port = t->server_port;
	if (a.q.name)
		dns_text_add(t, &a);
	return true;
}

/* nslookup -debug shows the message once more, between lines of dashes. */
static bool is_debug(struct dns_text *t, const char *line)
{
	if (strspn(line, "-") >= 10 && line[strspn(line, "-")] == '\0') {
		t->debug = !t->debug;
		return true;
	}
	return t->debug;
}

bool dns_text_lookup(struct dns_text *t, const char *line)
{
	if (is_debug(t, line) || is_server_line(t, line) || is_address_line(t, line) || is_name_line(t, line) || is_equation(t, line))
		return true;
	if (str_starts(line, "Non-authoritative answer") || str_starts(line, "Authoritative answers can be found")) {
		t->in_server = false;
		t->not_authoritative = true;
		return true;
	}
	if (is_soa_part(t, line) || is_refusal(t, line) || is_complaint(t, line))
		return true;
	if (t->server.family && !strchr(line, ' ') && !strchr(line, '\t') && strchr(line, '.')) {
		t->alone = word_name(t, line);
		return t->alone;
	}
	return false;
}

/* ---- host ---- */

static const struct {
	const char *words;
	uint16_t type;
} host_verbs[] = {
	{ " has address ", DNS_A },
	{ " has IPv6 address ", DNS_AAAA },
	{ " is an alias for ", DNS_CNAME },
	{ " has SRV record ", DNS_SRV },
	{ " domain name pointer ", DNS_PTR },
	{ " descriptive text ", DNS_TXT },
	{ " mail is handled by ", DNS_MX },
	{ " name server ", DNS_NS },
	{ " has SOA record ", DNS_SOA },
	{ " host information ", DNS_HINFO },
};

static bool is_host_record(struct dns_text *t, const char *line)
{
	for (size_t i = 0; i < ARRAY_LEN(host_verbs); i++) {
		const char *at = strstr(line, host_verbs[i].words);
		struct dns_record r = { .type = host_verbs[i].type };

		if (!at || strcspn(line, " \t") != (size_t)(at - line))
			continue;
		r.owner = dns_text_name(t, line, (size_t)(at - line));
		if (!r.owner || !dns_text_value(t, at + strlen(host_verbs[i].words), &r))
			return false;
		take_found(t, &r);
		return true;
	}
	return false;
}

/* "x has no AAAA record" */
static bool is_host_nodata(struct dns_text *t, const char *line)
{
	const char *at = strstr(line, " has no "), *end = at ? strstr(at, " record") : NULL;
	const char *name;
	int type;

	if (!end || strcspn(line, " \t") != (size_t)(at - line))
		return false;
	type = dns_text_type(at + 8, (size_t)(end - at) - 8);
	name = type > 0 ? dns_text_name(t, line, (size_t)(at - line)) : NULL;
	if (!name)
		return false;
	not_found(t, name, DNS_NOERROR, false);
	return true;
}

/* "Host x not found: 3(NXDOMAIN)" */
static bool is_host_refusal(struct dns_text *t, const char *line)
{
	const char *at = strstr(line, " not found: "), *number = at ? at + 12 : NULL;
	uint64_t rcode;

	if (!number || !str_starts(line, "Host ") || parse_uint(number, strspn(number, "0123456789"), 15, &rcode) < 0)
		return false;
	not_found(t, dns_text_name(t, line + 5, (size_t)(at - line) - 5), (int)rcode, false);
	return true;
}

bool dns_text_host(struct dns_text *t, const char *line)
{
	if (str_starts(line, "Using domain server:")) {
		begin_lookup(t);
		t->in_server = false;
		t->host_server = true;
		return true;
	}
	if (str_starts(line, "Aliases:") || str_starts(line, "Trying \""))
		return true;
	return is_host_record(t, line) || is_host_nodata(t, line) || is_host_refusal(t, line);
}

/* ---- getent ---- */

/* The typed name that a line is about: the only one, or that of which the line has the name. -1: none. */
static int typed_of(const struct dns_text *t, const char *names)
{
	const struct dns_command *c = &t->cmd;

	if (c->nq == 1)
		return 0;
	for (size_t i = 0; i < c->nq; i++) {
		const size_t len = strlen(c->q[i].name);

		for (const char *p = names; *p; p += strcspn(p, " \t"), p += strspn(p, " \t"))
			if (strncasecmp(p, c->q[i].name, len) == 0 && (p[len] == '.' || p[len] == ' ' || p[len] == '\0'))
				return (int)i;
	}
	return -1;
}

/* "getent hosts 10.96.0.1" */
static void take_pointer(struct dns_text *t, const struct ip_addr *addr, const char *names)
{
	char buf[DNS_REVERSE_STRLEN];
	struct dns_record r = { .type = DNS_PTR };
	const char *name = dns_reverse_name(addr, buf);

	dns_text_begin(t, true);
	t->a.q.name = r.owner = dns_text_copy(t, name, strlen(name));
	t->a.q.type = DNS_PTR;
	t->a.records_unknown = t->has_question = true;
	r.target = word_name(t, names);
	if (r.owner && r.target)
		dns_text_take(t, &r, false);
}

static void take_host_line(struct dns_text *t, const struct ip_addr *addr, const char *names, int typed)
{
	const char *asked = t->cmd.q[typed].name;
	struct dns_record r = { .addr = *addr, .type = addr->family == AF_INET ? DNS_A : DNS_AAAA };

	if (!t->open || t->a.q.type != r.type || !dns_name_equal(t->a.q.name, asked)) {
		dns_text_begin(t, true);
		t->a.q.name = asked;
		t->a.q.type = r.type;
		t->a.searched = !t->cmd.q[typed].whole;
		/* it may be of /etc/hosts, and some addresses are left out */
		t->a.records_unknown = t->has_question = t->lookup = true;
		t->value_type = r.type;
	}
	r.owner = *names ? word_name(t, names) : NULL;
	if (!r.owner)
		r.owner = t->answers.len > 0 ? t->answers.v[0].owner : asked;
	dns_text_take(t, &r, false);
}

/* ::ffff:10.96.0.1, which getent makes of an A record when it is told to print IPv6 */
static void unmap(struct ip_addr *a)
{
	static const uint8_t before[12] = { [10] = 0xff, [11] = 0xff };

	if (a->family != AF_INET6 || memcmp(a->b, before, sizeof(before)) != 0)
		return;
	a->family = AF_INET;
	memmove(a->b, a->b + 12, 4);
	memset(a->b + 4, 0, 12);
}

bool dns_text_getent(struct dns_text *t, const char *line)
{
	size_t len = strcspn(line, " \t");
	const char *names = line + len + strspn(line + len, " \t");
	struct ip_addr addr, asked;
	int typed;

	if (t->cmd.tool != TOOL_GETENT || ip_addr_parsen(line, len, &addr) < 0)
		return false;
	unmap(&addr);
	if (str_starts(names, "DGRAM") || str_starts(names, "RAW"))
		return true;
	if (str_starts(names, "STREAM"))
		names += 6 + strspn(names + 6, " \t");
	typed = typed_of(t, names);
	if (typed < 0)
		return false;
	if (ip_addr_parse(t->cmd.q[typed].name, &asked) == 0)
		take_pointer(t, &addr, names);
	else
		take_host_line(t, &addr, names, typed);
	return true;
}
