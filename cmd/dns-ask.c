/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks DNS, because the user asked for it by name: from this machine, or from the network namespace of a pod, with the resolv.conf that is read
 * there. Who this is, a node, a pod or neither, is told by its addresses; from outside the cluster its addresses are not asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <svcdoctor/kernel.h>
#include <svcdoctor/source.h>

#include "cmd.h"

enum { PARALLEL = 64, TRIES = 2, TRY_MS = 2000, ALL_MS = 30000, ROUNDS_MAX = 12, CONF_MAX = 64 << 10, MAPS_MAX = 4 << 20, PORT = 53 };

void dns_asked_release(struct dns_asked *a)
{
	array_free(&a->left);
	arena_release(&a->arena);
}

static const char *netns_of(const struct options *o)
{
	return o->from_netns ? o->from_netns : o->netns;
}

static pid_t pid_of(const struct options *o)
{
	return (pid_t)(o->from_pid ? o->from_pid : o->pid);
}

static bool is_elsewhere(const struct options *o)
{
	return netns_of(o) || pid_of(o);
}

/* ---- options ---- */

/* "10.96.0.10", "10.96.0.10:5353", "[fd00::a]:53", "fd00::a". 0 or -EINVAL. */
static int parse_server(const char *text, struct ip_addr *ret, uint16_t *ret_port)
{
	const char *end = text[0] == '[' ? strchr(text, ']') : strrchr(text, ':');
	const char *port = NULL;
	size_t len = strlen(text);
	uint64_t n = PORT;
	if (text[0] == '[') {
		if (!end || (end[1] && end[1] != ':')) {
			return -EINVAL;
		}
		len = (size_t)(end - ++text);
		port = end[1] ? end + 2 : NULL;
	} else if (end && strchr(text, ':') == end) {
		len = (size_t)(end - text);
		port = end + 1;
	}
	if ((port && (parse_uint(port, strlen(port), 65535, &n) < 0 || n == 0)) || ip_addr_parsen(text, len, ret) < 0) {
		return -EINVAL;
	}
	*ret_port = (uint16_t)n;
	return 0;
}

int dns_check_options(struct context *c)
{
	const struct options *o = &c->o;
	for (size_t i = 0; i < o->dns_servers.len; i++) {
		struct ip_addr a;
		uint16_t port;
		if (parse_server(o->dns_servers.v[i], &a, &port) < 0) {
			return usage_error(c, "--server wants ADDRESS or ADDRESS:PORT of a DNS server, with IPv6 in brackets, not '%s'", o->dns_servers.v[i]);
		}
	}
	if (netns_of(o) && pid_of(o)) {
		return usage_error(c, "--netns and --pid exclude each other: a process is in one network namespace");
	}
	if (o->try_ms == 0) {
		return usage_error(c, "--try-timeout must be more than 0");
	}
	return 0;
}

static void keep_text(struct strbuf *b, const char *option, const char *value)
{
	if (value) {
		strbuf_addf(b, " --%s ", option);
		add_quoted(b, value);
	}
}

int dns_keep_flags(struct context *c)
{
	const struct options *o = &c->o;
	struct strbuf *flags = &c->dns_flags;
	keep_text(flags, "netns", o->from_netns);
	if (o->from_pid) {
		strbuf_addf(flags, " --pid %u", (unsigned)o->from_pid);
	}
	keep_text(flags, "resolv-conf", o->resolv_conf);
	strbuf_adds(flags, o->dns_here ? " --here" : "");
	for (size_t i = 0; i < o->dns_servers.len; i++) {
		keep_text(&c->dns_servers, "server", o->dns_servers.v[i]);
	}
	strbuf_adds(&c->dns_servers, o->dns_tcp ? " --tcp" : "");
	return c->dns_flags.failed || c->dns_servers.failed ? -ENOMEM : 0;
}

bool dns_is_asking(const struct context *c)
{
	const struct options *o = &c->o;
	return o->bundles.len == 0 || o->live || o->dns || o->dns_here || is_elsewhere(o) || o->dns_servers.len > 0;
}

/* ---- resolv.conf ---- */

struct conf_text {
	char *data;
	size_t size;
	const char *file; /* as reports name it */
};

static void conf_release(struct conf_text *t)
{
	free(t->data);
}

/* As `ip netns exec` mounts it: /etc/netns/NAME/resolv.conf, where there is one (ip-netns(8)). */
static int read_of_netns(struct context *c, const char *netns, struct conf_text *ret)
{
	const char *name = strchr(netns, '/') ? (str_starts(netns, "/run/netns/") || str_starts(netns, "/var/run/netns/") ? path_base(netns) : NULL) : netns;
	const char *path = name ? arena_printf(&c->arena, "/etc/netns/%s/resolv.conf", name) : NULL;
	int r = name && !path ? -ENOMEM : path ? file_read_at(AT_FDCWD, path, CONF_MAX, &ret->data, &ret->size) : -ENOENT;
	ret->file = path;
	if (r == -ENOENT) {
		ret->file = "/etc/resolv.conf";
		r = file_read_at(AT_FDCWD, ret->file, CONF_MAX, &ret->data, &ret->size);
	}
	return r;
}

static int read_conf(struct context *c, struct conf_text *ret)
{
	const struct options *o = &c->o;
	if (o->resolv_conf) {
		ret->file = o->resolv_conf;
		return file_read_at(AT_FDCWD, o->resolv_conf, CONF_MAX, &ret->data, &ret->size);
	}
	if (pid_of(o)) {
		const char *root = arena_printf(&c->arena, "/proc/%u/root", (unsigned)pid_of(o));
		ret->file = arena_printf(&c->arena, "/etc/resolv.conf of process %u", (unsigned)pid_of(o));
		return root && ret->file ? file_read_below(root, "etc/resolv.conf", CONF_MAX, &ret->data, &ret->size) : -ENOMEM;
	}
	if (netns_of(o)) {
		return read_of_netns(c, netns_of(o), ret);
	}
	ret->file = "/etc/resolv.conf";
	return file_read_at(AT_FDCWD, ret->file, CONF_MAX, &ret->data, &ret->size);
}

/* The namespace whose names are searched there; NULL: none is. */
static int searched_namespace(struct context *c, const struct conf_text *t, const char **ret)
{
	struct resolv_conf conf CLEANUP(resolv_conf_release) = { 0 };
	struct sd_notes notes CLEANUP(sd_notes_release) = { 0 };
	size_t len = 0;
	*ret = NULL;
	if (!t->data) {
		return 0;
	}
	int r = resolv_conf_read(&c->arena, t->data, t->size, t->file, &notes, &conf);
	const char *ns = r < 0 ? NULL : resolv_conf_namespace(&conf, &len);
	if (ns) {
		*ret = arena_strndup(&c->arena, ns, len);
		return *ret ? 0 : -ENOMEM;
	}
	return r < 0 ? r : 0;
}

int dns_find_namespace(struct context *c)
{
	struct conf_text t CLEANUP(conf_release) = { 0 };
	int r = read_conf(c, &t);
	return r == -ENOMEM ? r : r < 0 ? 0 : searched_namespace(c, &t, &c->dns_ns);
}

static int take_conf(struct context *c, const struct conf_text *t, struct snap_dns *d)
{
	resolv_conf_release(&d->conf);
	d->has_conf = false;
	if (!t->data) {
		return 0;
	}
	int r = resolv_conf_read(&c->snapshot.arena, t->data, t->size, t->file, &c->snapshot.notes, &d->conf);
	d->has_conf = r >= 0;
	return r < 0 ? r : 0;
}

/* ---- which libc ---- */

/* By the loader that the process has mapped: a static program shows none. */
static int libc_of_process(pid_t pid)
{
	char path[48], *maps CLEANUP(text_free) = NULL;
	size_t size;
	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	if (file_read_at(AT_FDCWD, path, MAPS_MAX, &maps, &size) < 0) {
		return -1;
	}
	return strstr(maps, "/ld-musl-") ? LIBC_MUSL : strstr(maps, "/ld-linux") || strstr(maps, "/libc.so.6") ? LIBC_GLIBC : -1;
}

static int libc_of_machine(void)
{
	static const char *const musl[] = { "/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-aarch64.so.1" };
	static const char *const glibc[] = { "/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1" };
	for (size_t i = 0; i < ARRAY_LEN(glibc); i++) {
		if (access(glibc[i], F_OK) == 0) {
			return LIBC_GLIBC;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(musl); i++) {
		if (access(musl[i], F_OK) == 0) {
			return LIBC_MUSL;
		}
	}
	return -1;
}

static int libc_here(const struct options *o)
{
	if (o->resolv_conf || netns_of(o)) {
		return -1; /* whose file and whose namespace it is may be anybody's */
	}
	return pid_of(o) ? libc_of_process(pid_of(o)) : libc_of_machine();
}

/* ---- which place ---- */

static int enter(struct context *c)
{
	char why[160] = "";
	const char *lacks = NULL;
	if (!is_elsewhere(&c->o)) {
		return 0;
	}
	int r = kernel_netns_enter(netns_of(&c->o), pid_of(&c->o), why, &lacks);
	if (r == 0 || r == -ENOMEM) {
		return r;
	}
	complain_of(c, "netns", true, "cannot enter the network namespace: %s%s%s%s", why, lacks ? " (needs " : "", lacks ? lacks : "", lacks ? ")" : "");
	return r == -EPERM || r == -EACCES ? CODE_NO_RIGHTS : CODE_USAGE;
}

static int own_addresses(struct arena *a, const struct ip_addr **ret, size_t *ret_n)
{
	struct ip_addr *v = NULL;
	int r = probe_own_addresses(a, &v, ret_n);
	*ret = v;
	return r == -ENOMEM ? r : 0;
}

/* The namespace of the pod that this program runs in, as its service account tells it. */
static const char *own_namespace(struct context *c)
{
	char *text CLEANUP(text_free) = NULL;
	size_t size;
	if (file_read_at(AT_FDCWD, "/var/run/secrets/kubernetes.io/serviceaccount/namespace", 256, &text, &size) < 0) {
		return NULL;
	}
	text[strcspn(text, " \t\r\n")] = 0;
	return is_k8s_name(text) ? arena_strdup(&c->snapshot.arena, text) : NULL;
}

static const char *label_of(struct context *c)
{
	const struct options *o = &c->o;
	struct arena *a = &c->snapshot.arena;
	if (pid_of(o)) {
		return arena_printf(a, "process %u", (unsigned)pid_of(o));
	}
	return netns_of(o) ? arena_printf(a, "network namespace %s", netns_of(o)) : "this machine";
}

/* Live places go where snapshot_finish would have put them. */
static void settle_order(struct snapshot *s, struct snap_dns *d)
{
	size_t at = 0;
	while (at + 1 < s->dns.len && s->dns.v[at] != d) {
		at++;
	}
	while (at > 0 && (s->dns.v[at - 1]->where > d->where || (s->dns.v[at - 1]->where == d->where && strcmp(s->dns.v[at - 1]->label, d->label) > 0))) {
		s->dns.v[at] = s->dns.v[at - 1];
		s->dns.v[--at] = d;
	}
}

/* What a kubelet gives to every container. */
static bool is_in_pod(const struct context *c)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	return !is_elsewhere(&c->o) && host && *host;
}

/*
 * A file that a kubelet wrote for a pod is not the node's, though the pod has the node's addresses (hostNetwork with ClusterFirstWithHostNet). What is
 * read as /etc/resolv.conf outside of containers may be anything.
 */
static bool is_of_host_pod(struct context *c, const struct conf_text *t)
{
	const char *ns;
	return searched_namespace(c, t, &ns) == 0 && ns &&
	       (is_in_pod(c) || pid_of(&c->o) || (netns_of(&c->o) && !str_is(t->file, "/etc/resolv.conf")));
}

static struct snap_dns *make_place(struct context *c, const struct connect_client *who, const struct conf_text *t)
{
	struct snapshot *s = &c->snapshot;
	bool in_pod = is_in_pod(c);
	struct snap_dns *d;
	if (who->pod) {
		d = snapshot_dns(s, DNS_FROM_POD, NULL, who->pod->meta.ns, who->pod->meta.name);
	} else if (who->from == FROM_NODE && who->name && !is_of_host_pod(c, t)) {
		d = snapshot_dns(s, DNS_FROM_NODE, who->name, NULL, NULL);
	} else if (!in_pod && !is_elsewhere(&c->o) && c->here.wanted && c->here.name[0]) {
		d = snapshot_dns(s, DNS_FROM_NODE, c->here.name, NULL, NULL);
	} else {
		d = snapshot_dns(s, DNS_FROM_HERE, NULL, NULL, NULL);
		if (d) {
			d->label = label_of(c);
			d->ns = in_pod ? own_namespace(c) : NULL;
		}
	}
	if (!d || !d->label) {
		return NULL;
	}
	d->node = who->node ? who->node : d->node;
	d->live = true;
	d->answers.len = 0; /* what was recorded of this place is older */
	d->libc = libc_here(&c->o);
	settle_order(s, d);
	return d;
}

/* ---- asking ---- */

static int keep_left(struct dns_plan *p, struct dns_asked *ret)
{
	ret->left.len = 0;
	for (size_t i = 0; i < p->left.len; i++) {
		struct connect_left l = { NULL, NULL, arena_strdup(&ret->arena, p->left.v[i].what), arena_strdup(&ret->arena, p->left.v[i].reason) };
		if (!l.what || !l.reason || array_push(&ret->left, l) < 0) {
			return -ENOMEM;
		}
	}
	return 0;
}

static int one_round(struct context *c, struct snap_dns *d, const struct dns_plan_options *o, int64_t until, struct dns_asked *ret, size_t *ret_n)
{
	struct dns_plan p CLEANUP(dns_plan_release) = { 0 };
	struct arena *a = &c->snapshot.arena;
	int64_t left = until - clock_ms();
	const struct dns_ask_options ask = {
		.parallel = PARALLEL,
		.tries = TRIES,
		.try_ms = (int)(c->o.try_ms > 0 ? MIN(c->o.try_ms, (int64_t)60000) : TRY_MS),
		.all_ms = (int)MIN(MAX(left, (int64_t)1), (int64_t)INT32_MAX),
		.stop = signals_stop(),
	};
	int r = dns_plan_make(&c->snapshot, d, o, &p);
	struct dns_answer *v = r == 0 ? arena_array(a, struct dns_answer, p.questions.len + 1) : NULL;
	if (r < 0 || !v) {
		return r < 0 ? r : -ENOMEM;
	}
	r = keep_left(&p, ret);
	if (r == 0 && p.questions.len > 0) {
		r = dns_ask(a, p.questions.v, p.questions.len, &ask, v);
	}
	for (size_t i = 0; r == 0 && i < p.questions.len; i++) {
		r = array_push(&d->answers, v[i]);
	}
	*ret_n = p.questions.len;
	arena_join(a, &p.arena);
	return r;
}

static uint64_t random_number(void)
{
	uint64_t n = 0;
	if (getrandom(&n, sizeof(n), GRND_NONBLOCK) != sizeof(n)) {
		n = (uint64_t)clock_ms() * 0x9e3779b97f4a7c15u ^ (uint64_t)getpid();
	}
	return n;
}

static int ask_rounds(struct context *c, struct snap_dns *d, struct dns_plan_options *o, struct dns_asked *ret)
{
	struct ip_addr *servers = arena_array(&ret->arena, struct ip_addr, c->o.dns_servers.len + 1);
	uint16_t *ports = arena_array(&ret->arena, uint16_t, c->o.dns_servers.len + 1);
	int64_t limit = c->o.timeout_ms < 0 ? ALL_MS : c->o.timeout_ms == 0 ? INT32_MAX : c->o.timeout_ms, until = clock_ms() + limit;
	if (!servers || !ports) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < c->o.dns_servers.len; i++) {
		(void)parse_server(c->o.dns_servers.v[i], &servers[i], &ports[i]);
	}
	o->servers = servers;
	o->ports = ports;
	o->nservers = c->o.dns_servers.len;
	size_t n = 1;
	int r = 0;
	for (size_t i = 0; r == 0 && n > 0 && i < ROUNDS_MAX && !*signals_stop(); i++) {
		r = one_round(c, d, o, until, ret, &n);
	}
	return r;
}

/*
 * Neither node nor pod, while the nodes are known, and nobody says otherwise. Where nodes may not be read, a machine that nothing tells to be
 * in the cluster is none of it: the addresses of the cluster would be those of strangers.
 */
static bool is_outside(const struct context *c, const struct connect_client *who, const struct snap_dns *d)
{
	bool stranger = who->from == FROM_UNKNOWN && !is_elsewhere(&c->o) && !is_in_pod(c) && c->snapshot.any_cluster && dns_looks_foreign(d);
	return (who->from == FROM_OUTSIDE || stranger) && !c->here.wanted && !c->o.dns_here;
}

static int find_client(struct context *c, struct connect_plan *p, const struct connect_options *host)
{
	struct connect_options o = *host;
	int r = own_addresses(&p->arena, &o.addrs, &o.naddrs);
	return r < 0 ? r : connect_plan_make(&c->snapshot, &o, p);
}

static void tell_no_conf(struct context *c, const struct conf_text *t, int r)
{
	if (r < 0 && (r != -ENOENT || c->o.resolv_conf)) {
		complain_of(c, "resolv-conf", false, "cannot read '%s': %s", t->file ? t->file : "resolv.conf", sd_strerror(r));
	}
}

static int ask(struct context *c, const struct diagnose_options *o, struct dns_asked *ret)
{
	struct connect_plan p CLEANUP(connect_plan_release) = { 0 };
	struct conf_text t CLEANUP(conf_release) = { 0 };
	struct connect_options host = { .entered = is_elsewhere(&c->o) };
	host.in_pod = is_in_pod(c);
	int r = own_addresses(&p.arena, &host.host_addrs, &host.nhost_addrs);
	int conf = read_conf(c, &t);
	r = r < 0 ? r : conf == -ENOMEM ? conf : enter(c);
	if (r != 0) {
		return r;
	}
	if (conf < 0 && c->o.resolv_conf) {
		return usage_error(c, "cannot read '%s': %s", c->o.resolv_conf, sd_strerror(conf));
	}
	tell_no_conf(c, &t, conf);
	r = find_client(c, &p, &host);
	/* what comes over the network is read without any right */
	struct snap_dns *d = r == 0 ? make_place(c, &p.client, &t) : NULL;
	(void)kernel_drop_capabilities();
	if (r < 0 || !d) {
		return r < 0 ? r : -ENOMEM;
	}
	r = p.client.from == FROM_OUTSIDE ? 0 : take_conf(c, &t, d);
	ret->outside = is_outside(c, &p.client, d);
	if (r == 0 && (!ret->outside || c->o.resolv_conf) != d->has_conf) {
		const struct conf_text none = { NULL, 0, NULL };
		r = take_conf(c, ret->outside && !c->o.resolv_conf ? &none : &t, d);
	}
	struct dns_plan_options plan = {
		.name = o->dns_name, .ns = o->dns_ns, .services = o->services, .nservices = o->nservices, .tcp_only = c->o.dns_tcp,
		.repeat = c->o.repeat, .outside = ret->outside, .random = random_number(),
	};
	r = r < 0 ? r : ask_rounds(c, d, &plan, ret);
	arena_join(&c->snapshot.arena, &p.arena);
	return r;
}

int dns_ask_from_here(struct context *c, const struct diagnose_options *o, struct dns_asked *ret)
{
	signals_hold();
	int r = ask(c, o, ret);
	signals_let();
	return r;
}
