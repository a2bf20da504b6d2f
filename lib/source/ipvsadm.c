/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads IPVS virtual servers, in both forms that ipvsadm prints: the commands of `ipvsadm -Sn` and the table of `ipvsadm -ln`.
 * A line that cannot be read becomes a record; a server that belongs to it is passed over with it. ipvsadm-join.c brings the
 * two forms of one node together.
 */
#include <errno.h>
#include <netinet/in.h>

#include "ipvsadm-private.h"

#define SERVERS_MAX 200000u	 /* virtual ones */
#define REAL_SERVERS_MAX 2000000u /* of all virtual ones */
#define BAD_LINES_MAX 20
#define DEFAULT_PERSISTENCE 360	 /* IP_VS_TEMPLATE_TIMEOUT, what ipvsadm -p without a number sets */

struct ipvs_reader {
	struct ruleset *rs;
	struct sd_notes *notes;
	const char *file;
	uint32_t line_no;
	size_t bad, nreal;
	struct ipvs_list *list;
	uint32_t last;				  /* virtual server: what follows is its own; IPVS_NONE: its line was not read */
	bool form_known, foreign;		  /* foreign: a table of other columns */
	const char *line, *p, *end;		  /* what is not read yet of the line */
};

static bool next_word(struct ipvs_reader *r, struct xt_word *w)
{
	const char *start;

	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t'))
		r->p++;
	if (r->p >= r->end)
		return false;
	start = r->p;
	while (r->p < r->end && *r->p != ' ' && *r->p != '\t')
		r->p++;
	*w = (struct xt_word){ start, (uint32_t)(r->p - start), false };
	return true;
}

static bool is_word(const struct xt_word *w, const char *s)
{
	return strlen(s) == w->len && memcmp(w->s, s, w->len) == 0;
}

static bool is_either(const struct xt_word *w, const char *a, const char *b)
{
	return is_word(w, a) || is_word(w, b);
}

static void bad_line(struct ipvs_reader *r, const char *at, const char *why)
{
	if (r->bad++ < BAD_LINES_MAX)
		sd_note_add(r->notes, true, "bad-line", r->file, r->line_no, (uint32_t)(at - r->line) + 1, NULL, "'%s': %s", r->file, why);
}

static int take_text(struct ipvs_reader *r, const struct xt_word *w, const char **ret)
{
	*ret = arena_strndup(&r->rs->arena, w->s, w->len);
	return *ret ? 0 : -ENOMEM;
}

/* ---- words ---- */

/* "10.0.0.1:80", "[fd00::1]:80"; without a port only where @port_or says which it is (-1: there must be one). */
static int take_endpoint(const struct xt_word *w, int port_or, struct ip_addr *ret_addr, uint16_t *ret_port)
{
	bool ip6 = w->len > 0 && w->s[0] == '[';
	const char *close = ip6 ? memchr(w->s, ']', w->len) : memchr(w->s, ':', w->len), *end = w->s + w->len;
	const char *addr = w->s + ip6, *addr_end = close ? close : end, *rest = close && ip6 ? close + 1 : addr_end;
	uint32_t port = (uint32_t)port_or;

	if ((ip6 && !close) || xtables_addr(addr, (size_t)(addr_end - addr), ip6, ret_addr) < 0)
		return SD_EPARSE;
	if (rest == end)
		*ret_port = (uint16_t)port;
	else if (*rest != ':' || xt_uint(rest + 1, (size_t)(end - rest - 1), 65535, &port) < 0)
		return SD_EPARSE;
	*ret_port = (uint16_t)port;
	return rest == end && port_or < 0 ? SD_EPARSE : 0;
}

/* "255.255.255.0"; of IPv6 a length. All ones: none. */
static int take_mask(struct rs_virtual_server *s, const struct xt_word *w)
{
	uint32_t bits;

	if (s->addr.family == AF_INET)
		return xtables_addr(w->s, w->len, false, &s->netmask);
	if (xt_uint(w->s, w->len, 128, &bits) < 0)
		return SD_EPARSE;
	s->netmask = ip_prefix_mask(AF_INET6, bits);
	return 0;
}

/* ---- virtual servers ---- */

static int take_text_of(struct ipvs_reader *r, struct rs_virtual_server *s)
{
	static const char *const protos[] = { [IPPROTO_TCP] = "TCP", [IPPROTO_UDP] = "UDP", [IPPROTO_SCTP] = "SCTP" };
	char a[IP_ENDPOINT_STRLEN];

	if (s->fwmark)
		s->text = arena_printf(&r->rs->arena, "IPVS FWM %u%s %s", s->fwmark, s->addr.family == AF_INET6 ? " IPv6" : "", s->scheduler);
	else
		s->text = arena_printf(&r->rs->arena, "IPVS %s %s %s", protos[s->proto], ip_endpoint_format(&s->addr, s->port, a), s->scheduler);
	return s->text ? 0 : -ENOMEM;
}

/* It is the last one now, or none is. */
static int begin_server(struct ipvs_reader *r, const struct rs_virtual_server *s, const char *at)
{
	struct rs_virtual_server *n;

	r->last = IPVS_NONE;
	if (ipvs_list_find(r->list, s) != IPVS_NONE) {
		bad_line(r, at, "this virtual server was there already");
		return 0;
	}
	if (r->list->v.len == SERVERS_MAX) {
		bad_line(r, at, "there are more virtual servers than svcdoctor accepts");
		return 0;
	}
	n = arena_new(&r->rs->arena, struct rs_virtual_server);
	if (!n)
		return -ENOMEM;
	*n = *s;
	n->line = r->line_no;
	if (ipvs_list_add(r->list, n) < 0)
		return -ENOMEM;
	r->last = (uint32_t)r->list->v.len - 1;
	return take_text_of(r, n);
}

static int add_real(struct ipvs_reader *r, const struct rs_real_server *s, const char *at)
{
	struct ipvs_entry *e = &r->list->v.v[r->last];
	struct rs_real_server n = *s;

	if (r->nreal++ >= REAL_SERVERS_MAX) {
		bad_line(r, at, "there are more servers than svcdoctor accepts");
		return 0;
	}
	/* The table does not show the kind of a tunnel: the plain one. */
	if (n.method == 't' && !n.tunnel)
		n.tunnel = e->s->addr.family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	return array_push(&e->real, n);
}

/* ---- ipvsadm -Sn ---- */

/* "-t 10.0.0.1:80", "-f 7": which virtual server a line is about. @w: its option. 1: it is such an option; 0: another one. */
static int take_service(struct ipvs_reader *r, const struct xt_word *w, struct rs_virtual_server *s)
{
	static const struct {
		const char *shorter, *longer;
		uint8_t proto;
	} options[] = {
		{ "-t", "--tcp-service", IPPROTO_TCP }, { "-u", "--udp-service", IPPROTO_UDP }, { "--sctp-service", "--sctp-service", IPPROTO_SCTP },
	};
	struct xt_word v;

	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (!is_either(w, options[i].shorter, options[i].longer))
			continue;
		s->proto = options[i].proto;
		return next_word(r, &v) && take_endpoint(&v, 0, &s->addr, &s->port) == 0 ? 1 : SD_EPARSE;
	}
	if (is_either(w, "-6", "--ipv6")) {
		s->addr.family = s->fwmark ? AF_INET6 : s->addr.family;
		return 1;
	}
	if (!is_either(w, "-f", "--fwmark-service"))
		return 0;
	s->addr.family = AF_INET;
	return next_word(r, &v) && xt_uint(v.s, v.len, UINT32_MAX, &s->fwmark) == 0 && s->fwmark ? 1 : SD_EPARSE;
}

/* The number behind -p may be missing. */
static int take_persistence(struct ipvs_reader *r, struct rs_virtual_server *s)
{
	const char *back = r->p;
	struct xt_word v;

	s->persistent = DEFAULT_PERSISTENCE;
	if (!next_word(r, &v) || *v.s == '-') {
		r->p = back;
		return 0;
	}
	return xt_uint(v.s, v.len, UINT32_MAX, &s->persistent);
}

static int service_option(struct ipvs_reader *r, const struct xt_word *w, struct rs_virtual_server *s)
{
	int res = take_service(r, w, s);
	struct xt_word v;

	if (res != 0)
		return res < 0 ? res : 0;
	if (is_either(w, "-o", "--ops")) {
		s->one_packet = true;
		return 0;
	}
	if (is_either(w, "-p", "--persistent"))
		return take_persistence(r, s);
	if (!next_word(r, &v))
		return SD_EPARSE;
	if (is_either(w, "-s", "--scheduler"))
		return take_text(r, &v, &s->scheduler);
	if (is_either(w, "-b", "--sched-flags"))
		return take_text(r, &v, &s->flags);
	if (is_word(w, "--pe"))
		return take_text(r, &v, &s->engine);
	return is_either(w, "-M", "--netmask") ? take_mask(s, &v) : SD_EPARSE;
}

static int read_add(struct ipvs_reader *r, const struct xt_word *command)
{
	struct rs_virtual_server s = { .scheduler = "wlc" }; /* DEF_SCHED of ipvsadm */
	struct xt_word w;
	int res;

	while (next_word(r, &w)) {
		res = service_option(r, &w, &s);
		if (res == -ENOMEM)
			return res;
		if (res < 0) {
			bad_line(r, w.s, "this is no virtual server as `ipvsadm -Sn` prints one");
			r->last = IPVS_NONE;
			return 0;
		}
	}
	if (!s.addr.family) {
		bad_line(r, command->s, "a virtual server without an address");
		r->last = IPVS_NONE;
		return 0;
	}
	return begin_server(r, &s, command->s);
}

static int real_option(struct ipvs_reader *r, const struct xt_word *w, struct xt_word *ret_address, struct rs_real_server *s)
{
	static const char *const flags[] = { "--tun-nocsum", "--tun-csum", "--tun-remcsum" };
	static const char *const valued[] = { "-x", "--u-threshold", "-y", "--l-threshold" };
	struct xt_word v;
	uint32_t n;

	if (is_either(w, "-m", "--masquerading") || is_either(w, "-g", "--gatewaying") || is_either(w, "-i", "--ipip")) {
		char c = w->s[1] == '-' ? w->s[2] : w->s[1];

		s->method = c == 'm' ? 'm' : c == 'g' ? 'r' : 't';
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (is_word(w, flags[i]))
			return 0;
	if (!next_word(r, &v))
		return SD_EPARSE;
	if (is_either(w, "-r", "--real-server")) {
		*ret_address = v;
		return 0;
	}
	if (is_either(w, "-w", "--weight")) {
		if (xt_uint(v.s, v.len, INT32_MAX, &n) < 0)
			return SD_EPARSE;
		s->weight = (int)n;
		return 0;
	}
	if (is_word(w, "--tun-type")) {
		s->tunnel = is_word(&v, "gue") ? IPPROTO_UDP : is_word(&v, "gre") ? IPPROTO_GRE : 0;
		return s->tunnel || is_word(&v, "ipip") ? 0 : SD_EPARSE;
	}
	if (is_word(w, "--tun-port")) {
		if (xt_uint(v.s, v.len, 65535, &n) < 0)
			return SD_EPARSE;
		s->tunnel_port = (uint16_t)n;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(valued); i++)
		if (is_word(w, valued[i]))
			return 0;
	return SD_EPARSE;
}

/* Whose server is it? As ipvsadm prints it, of the line before. */
static bool find_service(struct ipvs_reader *r, const struct rs_virtual_server *s)
{
	if (r->last == IPVS_NONE || !rs_same_server(r->list->v.v[r->last].s, s))
		r->last = ipvs_list_find(r->list, s);
	return r->last != IPVS_NONE;
}

static int read_add_real(struct ipvs_reader *r, const struct xt_word *command)
{
	struct rs_virtual_server of = { 0 };
	struct rs_real_server s = { .weight = 1, .method = 'r' };
	struct xt_word w, address = { 0 };
	int res = 0;

	while (res >= 0 && next_word(r, &w)) {
		res = take_service(r, &w, &of);
		if (res == 0)
			res = real_option(r, &w, &address, &s);
	}
	if (res >= 0)
		w = *command;
	if (res >= 0 && (!of.addr.family || !address.s || take_endpoint(&address, of.port, &s.addr, &s.port) < 0)) {
		w = address.s ? address : *command;
		res = SD_EPARSE;
	}
	if (res < 0) {
		bad_line(r, w.s, "this is no server as `ipvsadm -Sn` prints one");
		return 0;
	}
	if (find_service(r, &of))
		return add_real(r, &s, command->s);
	bad_line(r, command->s, "there is no such virtual server before");
	return 0;
}

/* ---- ipvsadm -ln ---- */

/* "Prot LocalAddress:Port Scheduler Flags" and the line below it say which table it is. */
static bool is_head(struct ipvs_reader *r, const struct xt_word *first)
{
	static const char version[] = "IP Virtual Server version", prot[] = "Prot LocalAddress:Port", remote[] = "-> RemoteAddress:Port";
	size_t len = (size_t)(r->end - first->s);
	bool ours = memmem(first->s, len, "Scheduler Flags", 15) || memmem(first->s, len, "Forward", 7);

	if (len >= sizeof(version) - 1 && memcmp(first->s, version, sizeof(version) - 1) == 0)
		return true;
	if (len >= sizeof(prot) - 1 && memcmp(first->s, prot, sizeof(prot) - 1) == 0) {
		r->foreign = r->foreign || !ours;
		return true;
	}
	return len >= sizeof(remote) - 1 && memcmp(first->s, remote, sizeof(remote) - 1) == 0;
}

static int table_flag(struct ipvs_reader *r, const struct xt_word *w, struct rs_virtual_server *s)
{
	struct xt_word v;

	if (w->len > 2 && w->s[0] == '(' && w->s[w->len - 1] == ')') {
		v = (struct xt_word){ w->s + 1, w->len - 2, false };
		return take_text(r, &v, &s->flags);
	}
	if (is_word(w, "ops")) {
		s->one_packet = true;
		return 0;
	}
	if (!next_word(r, &v))
		return SD_EPARSE;
	if (is_word(w, "persistent"))
		return xt_uint(v.s, v.len, UINT32_MAX, &s->persistent);
	if (is_word(w, "pe"))
		return take_text(r, &v, &s->engine);
	return is_word(w, "mask") ? take_mask(s, &v) : SD_EPARSE;
}

/* "TCP  10.0.0.1:80 wrr persistent 300", "FWM  8 IPv6 wlc". 1, 0: it cannot be read from @at on, or -ENOMEM. */
static int table_service(struct ipvs_reader *r, const struct xt_word *prot, struct rs_virtual_server *s, struct xt_word *at)
{
	int res;

	s->proto = is_word(prot, "TCP") ? IPPROTO_TCP : is_word(prot, "UDP") ? IPPROTO_UDP : is_word(prot, "SCTP") ? IPPROTO_SCTP : 0;
	*at = *prot;
	if (!next_word(r, at))
		return 0;
	if (s->proto) {
		if (take_endpoint(at, -1, &s->addr, &s->port) < 0)
			return 0;
	} else if (xt_uint(at->s, at->len, UINT32_MAX, &s->fwmark) < 0 || !s->fwmark) {
		return 0;
	}
	if (!next_word(r, at))
		return 0;
	if (s->fwmark) {
		s->addr.family = is_word(at, "IPv6") ? AF_INET6 : AF_INET;
		if (s->addr.family == AF_INET6 && !next_word(r, at))
			return 0;
	}
	if (take_text(r, at, &s->scheduler) < 0)
		return -ENOMEM;
	while (next_word(r, at)) {
		res = table_flag(r, at, s);
		if (res < 0)
			return res == -ENOMEM ? res : 0;
	}
	return 1;
}

static int read_table_service(struct ipvs_reader *r, const struct xt_word *prot)
{
	struct rs_virtual_server s = { 0 };
	struct xt_word at;
	int res = table_service(r, prot, &s, &at);

	if (res == 0) {
		bad_line(r, at.s, "this is no virtual server as `ipvsadm -ln` prints one");
		r->last = IPVS_NONE;
		return 0;
	}
	return res < 0 ? res : begin_server(r, &s, prot->s);
}

/* "-> 10.1.0.1:8080  Masq  3  0  0" */
static int read_table_real(struct ipvs_reader *r, const struct xt_word *arrow)
{
	static const char *const methods[] = { "Masq", "Route", "Tunnel", "Local" };
	struct rs_real_server s = { .has_conns = true };
	struct xt_word address = *arrow, method, number[3] = { { 0 } };
	uint32_t n[3];
	bool good = next_word(r, &address) && next_word(r, &method);

	for (size_t i = 0; i < ARRAY_LEN(methods) && good; i++)
		if (is_word(&method, methods[i]))
			s.method = (uint8_t)"mrtl"[i];
	for (size_t i = 0; i < ARRAY_LEN(number) && good; i++)
		good = next_word(r, &number[i]) && xt_uint(number[i].s, number[i].len, i ? UINT32_MAX : INT32_MAX, &n[i]) == 0;
	if (!good || !s.method || take_endpoint(&address, -1, &s.addr, &s.port) < 0) {
		bad_line(r, address.s, "this is no server as `ipvsadm -ln` prints one");
		return 0;
	}
	s.weight = (int)n[0];
	s.active = n[1];
	s.inactive = n[2];
	if (r->last != IPVS_NONE)
		return add_real(r, &s, arrow->s);
	if (r->list->v.len == 0 && r->bad == 0)
		bad_line(r, arrow->s, "a server without a virtual server");
	return 0;
}

/* ---- the text ---- */

static void note_form(struct ipvs_reader *r, uint8_t form, const char *at)
{
	if (!r->form_known)
		r->list->form = form;
	else if (r->list->form != form)
		bad_line(r, at, "the output of `ipvsadm -Sn` and that of `ipvsadm -ln` stand in one file");
	r->form_known = true;
}

static int read_line(struct ipvs_reader *r)
{
	struct xt_word w;

	if (!next_word(r, &w) || *w.s == '#')
		return 0;
	if (memchr(r->line, '\0', (size_t)(r->end - r->line))) {
		bad_line(r, r->line, "a line holds a NUL byte");
		return 0;
	}
	if (is_head(r, &w)) {
		note_form(r, IPVS_FORM_LIST, w.s);
		return 0;
	}
	if (is_either(&w, "-A", "--add-service") || is_either(&w, "-a", "--add-server")) {
		note_form(r, IPVS_FORM_SAVE, w.s);
		return is_either(&w, "-A", "--add-service") ? read_add(r, &w) : read_add_real(r, &w);
	}
	if (is_either(&w, "TCP", "UDP") || is_either(&w, "SCTP", "FWM") || is_word(&w, "->")) {
		note_form(r, IPVS_FORM_LIST, w.s);
		return is_word(&w, "->") ? read_table_real(r, &w) : read_table_service(r, &w);
	}
	bad_line(r, w.s, "this is no line of `ipvsadm -Sn` or `ipvsadm -ln`");
	return 0;
}

static int read_lines(struct ipvs_reader *r, const char *data, size_t size, bool cut)
{
	const char *end = data + size;
	bool truncated = cut;
	int res = 0;

	for (const char *p = data; p < end && res == 0 && !r->foreign;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));

		r->line_no++;
		r->line = r->p = p;
		r->end = nl ? nl : end;
		p = nl ? nl + 1 : end;
		if (r->end > r->line && r->end[-1] == '\r')
			r->end--;
		truncated = truncated || !nl;
		res = read_line(r);
	}
	if (truncated && !r->foreign)
		bad_line(r, r->line, "the text ends within a line or was cut off");
	return res;
}

static int close_servers(struct ipvs_reader *r)
{
	for (size_t i = 0; i < r->list->v.len; i++) {
		struct ipvs_entry *e = &r->list->v.v[i];
		struct rs_real_server *v = arena_array(&r->rs->arena, struct rs_real_server, e->real.len);

		if (!v)
			return -ENOMEM;
		if (e->real.len)
			memcpy(v, e->real.v, e->real.len * sizeof(*v));
		e->s->servers = v;
		e->s->nservers = e->real.len;
	}
	return 0;
}

int read_ipvsadm(struct ruleset *rs, const char *data, size_t size, const char *file, bool cut, struct sd_notes *notes, struct ipvs_text *ret)
{
	CLEANUP(ipvs_list_release) struct ipvs_list list = { .form = IPVS_FORM_SAVE };
	struct ipvs_reader r = { .rs = rs, .notes = notes, .file = file, .list = &list, .last = IPVS_NONE, .line = data };
	int res = read_lines(&r, data, size, cut);
	struct ipvs_text t = { 0 };

	if (res == 0)
		res = close_servers(&r);
	if (res < 0)
		return res;
	if (r.foreign) {
		sd_note_add(notes, true, "bad-form", file, r.line_no, 1, "ipvsadm -Sn", "'%s': this is a table of ipvsadm without schedulers and weights",
			    file);
		return SD_EFORMAT;
	}
	t = (struct ipvs_text){ .empty = list.v.len == 0 && r.bad == 0, .damaged = r.bad > 0, .servers = list.v.len };
	res = ipvs_join(rs, &list, file, notes, &t.twice);
	if (res == 0)
		*ret = t;
	return res;
}
