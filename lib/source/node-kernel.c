/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a node's kernel is and counts: lsmod, nstat, ethtool -k, /proc/net/stat, ipvsadm -l --timeout, /proc/locks, and the versions of the tools
 * beside it. Each line tells by itself what it is; others are left out, because all of it is evidence only, and nothing hangs on its being whole.
 */
#include <ctype.h>
#include <errno.h>
#include <sys/sysmacros.h>

#include "bundle-private.h"

#define WORDS_MAX 32
#define ENTRIES_MAX 8192u /* of modules, counters, features */
#define NAME_MAX_SIZE 64u
#define LOCK_FILE "/run/xtables.lock"

/* ---- lines and words ---- */

struct words {
	const char *v[WORDS_MAX];
	size_t len[WORDS_MAX];
	size_t n;
	bool indented;
};

/* The next line's words; what is behind the last one that there is room for is left out. False: there is no other line. */
static bool next_line(const char **at, const char *end, struct words *ret)
{
	const char *s = *at, *nl;

	if (s >= end)
		return false;
	nl = memchr(s, '\n', (size_t)(end - s));
	if (!nl)
		nl = end;
	*ret = (struct words){ .indented = *s == ' ' || *s == '\t' };
	while (s < nl && ret->n < WORDS_MAX) {
		const char *from;

		while (s < nl && (*s == ' ' || *s == '\t' || *s == '\r'))
			s++;
		from = s;
		while (s < nl && *s != ' ' && *s != '\t' && *s != '\r')
			s++;
		if (s == from)
			break;
		ret->v[ret->n] = from;
		ret->len[ret->n++] = (size_t)(s - from);
	}
	*at = nl + 1;
	return true;
}

static bool is_word(const struct words *w, size_t i, const char *what)
{
	return i < w->n && w->len[i] == strlen(what) && memcmp(w->v[i], what, w->len[i]) == 0;
}

static bool number_of(const struct words *w, size_t i, uint64_t max, uint64_t *ret)
{
	return i < w->n && parse_uint(w->v[i], w->len[i], max, ret) == 0;
}

/* The kernel's columns of hexadecimal numbers have no 0x. */
static bool hex_of(const struct words *w, size_t i, uint64_t *ret)
{
	char hex[20];

	if (i >= w->n || w->len[i] > 16)
		return false;
	(void)snprintf(hex, sizeof(hex), "0x%.*s", (int)w->len[i], w->v[i]);
	return parse_uint(hex, strlen(hex), UINT64_MAX, ret) == 0;
}

/* Letters, digits and _.-@: of a module, a counter, an interface, a feature. */
static bool is_name(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!s[i] || (!isalnum((unsigned char)s[i]) && !strchr("_.-@", s[i])))
			return false;
	return len > 0 && len < NAME_MAX_SIZE;
}

/* ---- lsmod ---- */

int read_lsmod(struct snapshot *s, struct snap_node *n, const char *data, size_t size)
{
	const char *end = data + size;
	struct words w;

	while (next_line(&data, end, &w)) {
		uint64_t bytes;
		char *name;

		n->k.modules_known |= is_word(&w, 0, "Module") && is_word(&w, 1, "Size");
		if (w.n < 3 || !number_of(&w, 1, UINT64_MAX, &bytes) || !is_name(w.v[0], w.len[0]) || n->k.modules.len >= ENTRIES_MAX)
			continue;
		name = arena_strndup(&s->arena, w.v[0], w.len[0]);
		if (!name || map_puts(&n->k.modules, name, name) < 0)
			return -ENOMEM;
		n->k.modules_known = true;
	}
	return 0;
}

/* ---- nstat ---- */

/* "TcpExtIPReversePathFilter       4          0.0" */
int read_nstat(struct snapshot *s, struct snap_node *n, const char *data, size_t size)
{
	const char *end = data + size;
	struct words w;

	while (next_line(&data, end, &w)) {
		uint64_t value;
		char *name, *text;

		if (w.n < 2 || !number_of(&w, 1, UINT64_MAX, &value) || !is_name(w.v[0], w.len[0]) || n->k.counters.len >= ENTRIES_MAX)
			continue;
		name = arena_strndup(&s->arena, w.v[0], w.len[0]);
		text = arena_strndup(&s->arena, w.v[1], w.len[1]);
		if (!name || !text || map_puts(&n->k.counters, name, text) < 0)
			return -ENOMEM;
		n->k.counters_known = true;
	}
	return 0;
}

/* ---- ethtool -k ---- */

static int add_offload(struct snapshot *s, struct snap_node *n, const char *link, const struct words *w)
{
	struct snap_offload o = { .link = link, .on = is_word(w, 1, "on") };

	if (n->k.offloads.len >= ENTRIES_MAX)
		return 0;
	o.feature = arena_strndup(&s->arena, w->v[0], w->len[0] - 1);
	return o.feature && array_push(&n->k.offloads, o) == 0 ? 0 : -ENOMEM;
}

/* "Features for flannel.1:", then "tx-checksumming: on" and, further in, "tx-checksum-ip-generic: on". */
int read_ethtool(struct snapshot *s, struct snap_node *n, const char *data, size_t size)
{
	const char *end = data + size, *link = NULL;
	struct words w;

	while (next_line(&data, end, &w)) {
		const size_t len = w.n ? w.len[w.n - 1] : 0;

		if (w.n == 3 && is_word(&w, 0, "Features") && is_word(&w, 1, "for")) {
			link = is_name(w.v[2], len - 1) && w.v[2][len - 1] == ':' ? arena_strndup(&s->arena, w.v[2], len - 1) : NULL;
			continue;
		}
		if (!link || w.n < 2 || w.v[0][w.len[0] - 1] != ':' || !is_name(w.v[0], w.len[0] - 1) ||
		    (!is_word(&w, 1, "on") && !is_word(&w, 1, "off")))
			continue;
		if (add_offload(s, n, link, &w) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* ---- /proc/net/stat/arp_cache, ndisc_cache ---- */

/* net/core/neighbour.c neigh_stat_seq_show: a line for each processor; the number of entries is that of the table, in each of them. */
static void add_neigh(struct snap_kernel *k, unsigned six, const struct words *head, const struct words *line)
{
	for (size_t i = 0; i < head->n && i < line->n; i++) {
		uint64_t value;

		if (!hex_of(line, i, &value))
			continue;
		if (is_word(head, i, "entries"))
			k->neigh_entries[six] = MAX(k->neigh_entries[six], value);
		else if (is_word(head, i, "table_fulls"))
			k->neigh_table_fulls[six] += value;
	}
}

int read_lnstat(struct snapshot *s, struct snap_node *n, const char *data, size_t size)
{
	const char *end = data + size;
	struct words w, head = { 0 };
	int six = -1;

	(void)s;
	while (next_line(&data, end, &w)) {
		if (w.n == 3 && is_word(&w, 0, "==>")) {
			six = is_word(&w, 1, "arp_cache") ? 0 : is_word(&w, 1, "ndisc_cache") ? 1 : -1;
			head.n = 0;
		} else if (six >= 0 && is_word(&w, 0, "entries")) {
			head = w;
		} else if (six >= 0 && head.n && w.n >= 2) {
			add_neigh(&n->k, (unsigned)six, &head, &w);
			n->k.neigh_known = true;
		}
	}
	return 0;
}

/* ---- ipvsadm -l --timeout ---- */

/* "Timeout (tcp tcpfin udp): 900 120 300" */
int read_ipvs_timeouts(struct snapshot *s, struct snap_node *n, const char *data, size_t size)
{
	const char *end = data + size;
	struct words w;

	(void)s;
	while (next_line(&data, end, &w)) {
		uint64_t v[3];

		if (w.n != 7 || !is_word(&w, 0, "Timeout") || !is_word(&w, 1, "(tcp") || !is_word(&w, 3, "udp):"))
			continue;
		for (size_t i = 0; i < 3; i++) {
			if (!number_of(&w, 4 + i, UINT32_MAX, &v[i]))
				return 0;
			n->k.ipvs_timeouts[i] = (uint32_t)v[i];
		}
		n->k.ipvs_timeouts_known = true;
	}
	return 0;
}

/* ---- /proc/locks ---- */

struct lock_file {
	uint64_t dev, inode;
	bool known;
	uint64_t holder; /* a process; 0: nobody, or one that cannot be seen from where this was read */
	bool held;
	size_t waiting;
};

/* "00:19:1234": major and minor number, hexadecimal, and the inode (fs/locks.c lock_get_status). */
static bool is_inode(const struct words *w, size_t i, const struct lock_file *f)
{
	char text[64];

	if (i >= w->n)
		return false;
	(void)snprintf(text, sizeof(text), "%02x:%02x:%llu", major((dev_t)f->dev), minor((dev_t)f->dev), (unsigned long long)f->inode);
	return is_word(w, i, text);
}

/* "1: FLOCK  ADVISORY  WRITE 4711 00:19:1234 0 EOF"; who waits for it stands behind it, with "->" before FLOCK. */
static void take_lock(struct lock_file *f, const struct words *w)
{
	const bool waits = is_word(w, 1, "->");
	const size_t at = waits ? 2 : 1;

	if (!f->known || !is_inode(w, at + 4, f))
		return;
	if (waits) {
		f->waiting++;
		return;
	}
	f->held = true;
	if (!number_of(w, at + 3, INT32_MAX, &f->holder)) /* -1, of another namespace of processes */
		f->holder = 0;
}

static int set_holder(struct snapshot *s, struct snap_node *n, const struct lock_file *f, const char *name)
{
	const char *text = !f->holder ? "a process that cannot be seen from there" :
			   name	     ? arena_printf(&s->arena, "pid %llu (%s)", (unsigned long long)f->holder, name) :
				       arena_printf(&s->arena, "pid %llu", (unsigned long long)f->holder);

	n->proxy.lock_holder = text;
	n->proxy.lock_waiting = f->waiting;
	return text ? 0 : -ENOMEM;
}

/*
 * The file's device and inode first (stat -c '%d %i %n'), then /proc/locks, then, where they could be told, names of processes as
 * `ps -o pid=,comm=` prints them.
 */
int read_locks(struct snapshot *s, struct snap_node *n, const char *data, size_t size)
{
	const char *end = data + size, *name = NULL;
	struct lock_file f = { 0 };
	struct words w;

	while (next_line(&data, end, &w)) {
		uint64_t pid;

		if (w.n == 3 && is_word(&w, 2, LOCK_FILE))
			f.known = number_of(&w, 0, UINT64_MAX, &f.dev) && number_of(&w, 1, UINT64_MAX, &f.inode);
		else if (w.n >= 8 && w.v[0][w.len[0] - 1] == ':')
			take_lock(&f, &w);
		else if (w.n == 2 && f.held && f.holder && number_of(&w, 0, INT32_MAX, &pid) && pid == f.holder && is_name(w.v[1], w.len[1]))
			name = arena_strndup(&s->arena, w.v[1], w.len[1]);
	}
	return f.held ? set_holder(s, n, &f, name) : 0;
}

/* ---- xt_recent ---- */

#define RECENT_LIMIT "/sys/module/xt_recent/parameters/ip_list_tot:"
#define RECENT_LIST "/proc/net/xt_recent/"

static int add_recent(struct snapshot *s, struct snap_node *n, const struct words *w)
{
	const size_t head = strlen(RECENT_LIST);
	struct snap_recent one = { 0 };
	uint64_t entries;

	if (!number_of(w, 0, UINT32_MAX, &entries) || w->len[1] <= head || memcmp(w->v[1], RECENT_LIST, head) != 0 ||
	    !is_name(w->v[1] + head, w->len[1] - head) || n->k.recent.len >= ENTRIES_MAX)
		return 0;
	one.entries = (uint32_t)entries;
	one.name = arena_strndup(&s->arena, w->v[1] + head, w->len[1] - head);
	return one.name && array_push(&n->k.recent, one) == 0 ? 0 : -ENOMEM;
}

/* `grep -H . /sys/module/xt_recent/parameters/ip_list_tot`, then `wc -l /proc/net/xt_recent/...`: "  12 /proc/net/xt_recent/KUBE-SEP-ABC" */
int read_recent(struct snapshot *s, struct snap_node *n, const char *data, size_t size)
{
	const char *end = data + size;
	const size_t head = strlen(RECENT_LIMIT);
	struct words w;

	while (next_line(&data, end, &w)) {
		uint64_t limit;

		if (w.n == 1 && w.len[0] > head && memcmp(w.v[0], RECENT_LIMIT, head) == 0) {
			if (parse_uint(w.v[0] + head, w.len[0] - head, UINT32_MAX, &limit) == 0)
				n->k.recent_limit = (uint32_t)limit;
		} else if (w.n == 2 && add_recent(s, n, &w) < 0) {
			return -ENOMEM;
		}
	}
	return 0;
}

/* ---- nft --version, iptables --version ---- */

/* "nftables v1.0.6 (Lester Gooch #5)", "iptables v1.8.9 (nf_tables)" */
int read_versions(struct snapshot *s, struct snap_node *n, const char *data, size_t size)
{
	const char *end = data + size;
	struct words w;

	while (next_line(&data, end, &w)) {
		const char **to = is_word(&w, 0, "nftables") ? &n->k.nft_version : is_word(&w, 0, "iptables") ? &n->k.iptables_version : NULL;

		if (!to || w.n < 2 || w.v[1][0] != 'v' || !is_name(w.v[1], w.len[1]))
			continue;
		*to = arena_strndup(&s->arena, w.v[1] + 1, w.len[1] - 1);
		if (!*to)
			return -ENOMEM;
	}
	return 0;
}
