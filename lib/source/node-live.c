/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This machine as a node: asks the kernel (lib/kernel) and hands what it says to the readers of a bundle's files, which are these texts; so a
 * live node and a bundle cannot differ. What cannot be read is marked with its reason, and never taken as empty.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "bundle-private.h"
#include "node-live-private.h"

/* ---- what is read ---- */

enum { TEXTS_MAX = 3 };
struct reader {
	const char *files[TEXTS_MAX]; /* that it gives */
	int (*read)(struct kernel_text *t[TEXTS_MAX]);
	bool is_fact;
};

static int ask_nft(struct kernel_text *t[TEXTS_MAX])
{
	return kernel_nft(t[0], t[1], t[2]);
}

static int read_legacy4(struct kernel_text *t[TEXTS_MAX])
{
	return kernel_xtables_legacy(false, t[0]);
}

static int read_legacy6(struct kernel_text *t[TEXTS_MAX])
{
	return kernel_xtables_legacy(true, t[0]);
}

static int ask_ipvs(struct kernel_text *t[TEXTS_MAX])
{
	return kernel_ipvs_both(t[0], t[1]);
}

#define READS(name, fn) \
	static int name(struct kernel_text *t[TEXTS_MAX]) { return fn(t[0]); }
READS(read_sets, kernel_ipset)
READS(read_addr, kernel_ip_addr)
READS(read_link, kernel_ip_link)
READS(read_route, kernel_ip_route)
READS(read_rule, kernel_ip_rule)
READS(read_neigh, kernel_ip_neigh)
READS(read_fdb, kernel_bridge_fdb)
READS(read_sysctls, kernel_sysctl)
READS(read_conntrack, kernel_conntrack_stats)
READS(read_sockets, kernel_sockets)
READS(read_modules, kernel_modules)
READS(read_name, kernel_uname)
READS(read_counters, kernel_counters)
READS(read_neigh_stats, kernel_neigh_stats)
READS(read_locks_held, kernel_locks)
READS(read_offloads, kernel_offloads)
READS(read_timeouts, kernel_ipvs_timeouts)
READS(read_recents, kernel_recent)

/* In the order in which a bundle's folder would be read, where that matters: texts of iptables before nft's JSON. */
static const struct reader readers[] = {
	{ { "iptables-nft-save.txt", "ip6tables-nft-save.txt", "nft-ruleset.json" }, ask_nft, true },
	{ { "iptables-legacy-save.txt" }, read_legacy4, true },
	{ { "ip6tables-legacy-save.txt" }, read_legacy6, true },
	{ { "ipset-save.txt" }, read_sets, true },
	{ { "ipvsadm-save.txt", "ipvsadm-ln.txt" }, ask_ipvs, true },
	{ { "ip-addr.json" }, read_addr, true },
	{ { "ip-link.json" }, read_link, true },
	{ { "ip-route.json" }, read_route, true },
	{ { "ip-rule.json" }, read_rule, true },
	{ { "ip-neigh.json" }, read_neigh, false },
	{ { "bridge-fdb.json" }, read_fdb, false },
	{ { "sysctl.txt" }, read_sysctls, true },
	{ { "conntrack-stats.txt" }, read_conntrack, false },
	{ { "ss.txt" }, read_sockets, false },
	{ { "lsmod.txt" }, read_modules, false },
	{ { "uname.txt" }, read_name, false },
	{ { "nstat.txt" }, read_counters, false },
	{ { "lnstat.txt" }, read_neigh_stats, false },
	{ { "locks.txt" }, read_locks_held, false },
	{ { "ethtool.txt" }, read_offloads, false },
	{ { "ipvsadm-timeout.txt" }, read_timeouts, false },
	{ { "xt-recent.txt" }, read_recents, false },
};

/* One call of a reader, which any of two threads makes. */
struct part {
	const struct reader *reader;
	struct node_text *texts[TEXTS_MAX];
	int64_t end_ms; /* 0: none */
	bool late;
	int err;
};

static void read_part(void *arg, void *item, unsigned who)
{
	struct part *p = item;
	struct kernel_text *t[TEXTS_MAX] = { NULL };

	(void)arg;
	(void)who;
	for (size_t i = 0; i < TEXTS_MAX; i++)
		t[i] = p->texts[i] ? &p->texts[i]->k : NULL;
	p->late = p->end_ms && clock_ms() >= p->end_ms;
	p->err = p->late ? 0 : p->reader->read(t);
}

static enum known known_of(const struct kernel_text *k)
{
	switch (k->state) {
	case KERNEL_READ:
	case KERNEL_ABSENT:
		return KNOWN;
	case KERNEL_DENIED:
		return FORBIDDEN;
	case KERNEL_CHANGED:
	case KERNEL_FAILED:
		break;
	}
	return UNREADABLE;
}

static void settle(struct node_text *t, bool late)
{
	t->known = late ? LATE : known_of(&t->k);
	t->why_not = late ? "the time of --timeout was over before it was asked" : *t->k.why ? t->k.why : "it cannot be read";
}

/* ---- the whole ---- */

static void text_release(struct node_text *t)
{
	free(t->file);
	kernel_text_release(&t->k);
}

void node_live_free(struct node_live *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->texts.len; i++)
		text_release(&l->texts.v[i]);
	array_free(&l->texts);
	free(l->netns);
	free(l);
}

static int push(struct node_live *l, const char *file, struct node_text t)
{
	t.file = strdup(file);
	if (t.file && array_push(&l->texts, t) == 0)
		return 0;
	text_release(&t);
	return -ENOMEM;
}

int node_live_push(struct node_live *l, const char *file, struct strbuf *text)
{
	struct node_text t = { .k = { .state = KERNEL_READ, .text = *text }, .known = KNOWN };

	*text = (struct strbuf)STRBUF_INIT;
	if (!t.k.text.failed)
		return push(l, file, t);
	kernel_text_release(&t.k);
	return -ENOMEM;
}

static int make_room(struct node_live *l)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(readers); i++)
		for (size_t k = 0; r == 0 && k < TEXTS_MAX && readers[i].files[k]; k++)
			r = push(l, readers[i].files[k], (struct node_text){ .is_fact = readers[i].is_fact });
	return r;
}

static int read_kernel(struct node_live *l, int64_t end_ms)
{
	struct part parts[ARRAY_LEN(readers)] = { 0 };
	struct crew *crew;
	size_t at = 0;
	int r = make_room(l);

	if (r < 0)
		return r;
	crew = crew_start(read_part, NULL);
	for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
		struct part *p = &parts[i];

		p->reader = &readers[i];
		p->end_ms = end_ms;
		for (size_t k = 0; k < TEXTS_MAX && readers[i].files[k]; k++)
			p->texts[k] = &l->texts.v[at++];
		if (crew)
			crew_add(crew, p);
		else
			read_part(NULL, p, 0);
	}
	crew_finish(crew);
	for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
		r = parts[i].err < 0 ? parts[i].err : r;
		for (size_t k = 0; k < TEXTS_MAX && parts[i].texts[k]; k++)
			settle(parts[i].texts[k], parts[i].late);
	}
	return r;
}

static int read_connections(struct node_live *l, int64_t end_ms)
{
	struct node_text t = { .is_fact = false };
	bool late = end_ms && clock_ms() >= end_ms;

	if (!late && kernel_conntrack(&t.k) < 0) {
		kernel_text_release(&t.k);
		return -ENOMEM;
	}
	settle(&t, late);
	return push(l, "conntrack.txt", t);
}

/* What happens in the network namespace that is read. */
struct visit {
	const struct node_live_want *want;
	struct node_live *l;
	struct sd_notes *notes;
	int64_t end_ms;
	int r;
};

static bool is_elsewhere(void)
{
	char here[64] = "", there[64] = "";

	return readlink("/proc/self/ns/net", here, sizeof(here) - 1) > 0 && readlink("/proc/thread-self/ns/net", there, sizeof(there) - 1) > 0 &&
	       strcmp(here, there) != 0;
}

static int enter(struct visit *v)
{
	char why[160] = "";
	const char *lacks = NULL;
	int r = kernel_netns_enter(v->want->netns, v->want->pid, why, &lacks);

	if (r < 0 && r != -ENOMEM)
		sd_note_add(v->notes, true, lacks ? "forbidden" : "netns", NULL, 0, 0,
			    lacks ? "run it as root (sudo), or give it that capability" : NULL, "%s", *why ? why : sd_strerror(r));
	v->l->elsewhere = r == 0 && is_elsewhere();
	return r;
}

static void *visit(void *arg)
{
	struct visit *v = arg;

	v->r = v->want->netns || v->want->pid ? enter(v) : 0;
	if (v->r == 0)
		v->r = read_kernel(v->l, v->end_ms);
	if (v->r == 0)
		v->r = node_proxy_read(v->l, v->end_ms);
	if (v->r == 0 && v->want->connections)
		v->r = read_connections(v->l, v->end_ms);
	return NULL;
}

/* Entering binds a thread, and this one is not to be bound. */
static int visit_apart(struct visit *v)
{
	pthread_t t;
	int r = pthread_create(&t, NULL, visit, v);

	if (r != 0)
		return r == ENOMEM ? -ENOMEM : -r;
	(void)pthread_join(t, NULL);
	return v->r;
}

int node_live_read(const struct node_live_want *w, struct sd_notes *notes, struct node_live **ret)
{
	struct node_live *l = calloc(1, sizeof(*l));
	struct visit v = { w, l, notes, w->limit_ms > 0 ? clock_ms() + w->limit_ms : 0, 0 };
	int r = l ? 0 : -ENOMEM;

	if (r == 0 && w->netns && !(l->netns = strdup(w->netns)))
		r = -ENOMEM;
	if (r == 0) {
		l->pid = w->pid;
		node_machine_name(l->host);
		if (w->netns || w->pid)
			r = visit_apart(&v);
		else
			visit(&v), r = v.r;
	}
	if (r == 0)
		r = node_machine_files(l, notes);
	if (r == 0 && w->logs)
		r = node_machine_logs(l);
	if (r < 0) {
		node_live_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

/* ---- its name ---- */

static const struct node_text *find(const struct node_live *l, const char *file)
{
	for (size_t i = 0; i < l->texts.len; i++)
		if (strcmp(l->texts.v[i].file, file) == 0)
			return &l->texts.v[i];
	return NULL;
}

static bool has_address_of(const struct node_facts *f, const struct k8s_node *n)
{
	for (size_t i = 0; i < n->naddresses; i++)
		for (size_t k = 0; str_is(n->addresses[i].type, "InternalIP") && k < f->addrs.len; k++)
			if (ip_addr_equal(&f->addrs.v[k].addr, &n->addresses[i].ip))
				return true;
	return false;
}

/* The one Node that has an address of this machine. */
static const struct k8s_node *by_address(const struct node_live *l, const struct k8s_cluster *c)
{
	const struct node_text *t = find(l, "ip-addr.json");
	const struct k8s_node *found = NULL;
	struct sd_notes ignored CLEANUP(sd_notes_release) = { 0 };
	struct node_facts f;
	size_t hits = 0;

	if (!t || t->known != KNOWN || t->k.text.len == 0)
		return NULL;
	node_facts_init(&f);
	(void)read_ip_addr(&f, t->k.text.s, t->k.text.len, t->file, &ignored);
	for (size_t i = 0; i < c->nodes.len; i++) {
		if (has_address_of(&f, c->nodes.v[i])) {
			found = c->nodes.v[i];
			hits++;
		}
	}
	node_facts_release(&f);
	return hits == 1 ? found : NULL;
}

static const struct k8s_node *by_machine_id(const struct k8s_cluster *c)
{
	char *id CLEANUP(text_free) = NULL;
	size_t size;

	if (file_read_at(AT_FDCWD, "/etc/machine-id", 256, &id, &size) < 0)
		return NULL;
	id[strcspn(id, " \t\r\n")] = '\0';
	for (size_t i = 0; *id && i < c->nodes.len; i++)
		if (str_is(c->nodes.v[i]->machine_id, id))
			return c->nodes.v[i];
	return NULL;
}

/* The objects need not be finished yet, and be found by name. */
static const struct k8s_node *by_name(const struct node_live *l, const struct k8s_cluster *c)
{
	for (size_t i = 0; i < c->nodes.len; i++)
		if (strcmp(c->nodes.v[i]->meta.name, l->host) == 0)
			return c->nodes.v[i];
	return NULL;
}

const char *node_live_name(const struct node_live *l, const struct k8s_cluster *c, struct arena *arena, bool *ret_known)
{
	const struct k8s_node *n = c && !l->elsewhere ? by_name(l, c) : NULL;

	n = n || !c || l->elsewhere ? n : by_machine_id(c);
	n = n || !c ? n : by_address(l, c);
	*ret_known = n;
	if (n)
		return arena_strdup(arena, n->meta.name);
	if (!l->elsewhere)
		return arena_strdup(arena, l->host);
	return l->netns && *path_base(l->netns) ? arena_printf(arena, "%.*s", NODE_NAME_SIZE - 1, path_base(l->netns))
						: arena_printf(arena, "pid-%ld", (long)l->pid);
}

const char *node_live_label(const struct node_live *l, const char *name, struct arena *arena)
{
	if (l->netns)
		return arena_printf(arena, "network namespace '%s' of this machine", l->netns);
	if (l->pid)
		return arena_printf(arena, "the network namespace of process %ld of this machine", (long)l->pid);
	return arena_printf(arena, "this node '%s'", name);
}

bool node_live_has_rules(const struct node_live *l, const char **ret_lacks)
{
	bool any = false;

	*ret_lacks = NULL;
	for (size_t i = 0; i < l->texts.len; i++) {
		const struct node_text *t = &l->texts.v[i];
		const bool rules = strstr(t->file, "tables-") || strcmp(t->file, "nft-ruleset.json") == 0;

		any |= rules && t->known == KNOWN;
		if (t->is_fact && t->known == FORBIDDEN && !*ret_lacks)
			*ret_lacks = t->k.lacks ? t->k.lacks : "a capability";
	}
	return any;
}

/* ---- into the snapshot ---- */

static void take_bundle(struct bundle *b)
{
	nft_forget(b);
}

/* An empty list where the form wants one. */
static char *take_text(struct node_text *t, size_t *ret_size)
{
	const bool list = t->k.state == KERNEL_ABSENT && str_ends(t->file, ".json") && strcmp(t->file, "nft-ruleset.json") != 0;
	char *s = t->k.text.s;

	*ret_size = t->k.text.len;
	if (!s || t->k.text.len == 0) {
		*ret_size = list ? 2 : 0;
		return strdup(list ? "[]" : "");
	}
	t->k.text = (struct strbuf)STRBUF_INIT;
	return s;
}

static int use_text(struct bundle *b, const struct member *m, struct node_text *t)
{
	size_t size;
	char *data = take_text(t, &size);

	if (!data)
		return -ENOMEM;
	if (t->k.partial)
		sd_note_add(&b->s->notes, t->is_fact, "partial", m->path, 0, 0, NULL, "%s", t->k.why);
	return bundle_use(b, m, data, size);
}

static void say_why_not(struct snapshot *s, const struct member *m, const struct node_text *t, const char **said)
{
	const char *lacks = t->k.lacks ? t->k.lacks : "a capability";

	if (t->known != FORBIDDEN) {
		sd_note_add(&s->notes, t->is_fact, t->k.state == KERNEL_CHANGED ? "changed" : known_code(t->known), m->path, 0, 0, NULL, "%s",
			    t->why_not);
	} else if (!*said || strcmp(*said, lacks) != 0) { /* the capability once, whatever depends on it */
		sd_note_add(&s->notes, t->is_fact, "forbidden", NULL, 0, 0, "run it as root (sudo), or give it that capability",
			    "the rules of this machine cannot be read without %s", lacks);
		*said = lacks;
	}
}

static int mark_text(struct bundle *b, const struct member *m, const struct node_text *t, struct snap_node *n, const char **said)
{
	const int dump = m->role == MEMBER_NODE ? node_file_dump(m->file) : -1;
	int r = bundle_mark(b, m, t->known);

	say_why_not(b->s, m, t, said);
	if (dump < 0 || n->dump_why[dump] || r < 0)
		return r;
	n->dump_needs[dump] = t->known == FORBIDDEN ? (t->k.lacks ? t->k.lacks : "more rights") : "";
	n->dump_why[dump] = t->known == FORBIDDEN ? arena_printf(&b->s->arena, "it needs %s", n->dump_needs[dump]) : arena_clean(&b->s->arena, t->why_not);
	return n->dump_why[dump] ? 0 : -ENOMEM;
}

static int add_text(struct bundle *b, const char *name, struct node_text *t, struct snap_node *n, const char **said)
{
	struct member m CLEANUP(member_release) = { 0 };
	struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT;
	int r;

	strbuf_addf(&path, "nodes/%s/%s", name, t->file);
	r = path.failed ? -ENOMEM : bundle_classify(b, path.s, &m);
	if (r < 0 || m.role == MEMBER_OTHER)
		return r;
	m.cut = t->k.partial;
	/* dumps and lists may be empty; other texts that are not there say nothing */
	if (t->k.state == KERNEL_ABSENT && t->known == KNOWN && !str_ends(t->file, ".json") && (m.role != MEMBER_NODE || node_file_dump(m.file) < 0))
		return 0;
	return t->known == KNOWN ? use_text(b, &m, t) : mark_text(b, &m, t, n, said);
}

/*
 * A namespace that was named by itself is no node: what stands in its resolv.conf is what this machine's programs there see. Of a pod that has the
 * namespace, whoever knows which one that is makes a place of its own.
 */
static int add_conf(struct snapshot *s, const char *name, const struct node_live *l)
{
	const bool named = l->netns || l->pid; /* a pod in the node's own namespace has a file of its own, too */
	struct snap_dns *d = snapshot_dns(s, named ? DNS_FROM_HERE : DNS_FROM_NODE, named ? NULL : name, NULL, NULL);
	const struct node_text *t = find(l, "resolv.conf");
	const char *file = arena_printf(&s->arena, "nodes/%s/resolv.conf", name);

	if (!d || !file)
		return -ENOMEM;
	d->libc = l->libc;
	if (named)
		d->label = l->netns ? arena_printf(&s->arena, "network namespace %s", l->netns) : arena_printf(&s->arena, "process %ld", (long)l->pid);
	if (!d->label)
		return -ENOMEM;
	return t->k.text.len > 0 ? dns_conf_use(s, d, t->k.text.s, t->k.text.len, file) : 0;
}

static void forget_logs(struct snapshot *s, const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->logs.len; i++) {
		struct snap_log *l = &s->logs.v[i];

		if (str_is(l->node, name) && !l->pod)
			log_summary_release(&l->summary);
		else
			s->logs.v[kept++] = *l;
	}
	s->logs.len = kept;
}

/* What a bundle said of this node is older than the node itself. */
static void forget_other(struct snapshot *s, struct snap_node *n)
{
	bool any = n->facts.addrs_known || n->facts.routes_known;

	for (size_t i = 0; i < DUMP_KINDS; i++)
		any |= n->dumps[i] != NOT_COLLECTED;
	if (!any)
		return;
	sd_note_add(&s->notes, false, "double", NULL, 0, 0, NULL, "the rules of node '%s' that the bundle holds are not used: the node itself is read",
		    n->name);
	snapshot_node_clear(n);
}

int node_live_add(struct snapshot *s, const char *name, struct node_live *l)
{
	struct bundle b CLEANUP(take_bundle) = { .s = s, .label = "this machine" };
	struct snap_node *n = snapshot_node(s, name, true);
	const char *said = NULL;
	int r = 0;

	if (!n)
		return -ENOMEM;
	forget_other(s, n);
	forget_logs(s, name);
	s->now = (int64_t)time(NULL);
	n->live = node_live_label(l, name, &s->arena);
	if (!n->live)
		return -ENOMEM;
	if (find(l, "resolv.conf"))
		r = add_conf(s, name, l);
	for (size_t i = 0; r == 0 && i < l->texts.len; i++)
		if (strcmp(l->texts.v[i].file, "resolv.conf") != 0)
			r = add_text(&b, name, &l->texts.v[i], n, &said);
	return r < 0 ? r : nft_use_all(&b);
}
