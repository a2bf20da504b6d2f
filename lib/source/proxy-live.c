/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kube-proxy on this machine: its processes, from /proc, and what its own ports answer (proxy-ask.c), as the files of a bundle. Ports are asked only
 * where somebody listens on them, or where kube-proxy runs and should, and only at addresses of this machine: those at which a socket listens, or that the
 * flags or the configuration of the process say, else 127.0.0.1.
 */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bundle-private.h"
#include "node-live-private.h"
#include "proxy-ask-private.h"
#include "proxy-private.h"

#define PROCESSES_MAX 100000
#define COMMAND_MAX (64u << 10)
#define CONFIG_MAX (1u << 20)
#define SMALL_ANSWER (256u << 10)
#define METRICS_MAX (16u << 20) /* of a program that is all of Kubernetes */
#define ASK_MS 2000

/* An address to ask, of one of the two servers. */
struct target {
	bool off; /* it was turned off */
	struct ip_addr addr; /* as it is configured; family 0: not told, or all */
	uint16_t port;
};

struct looking {
	struct node_live *l;
	struct strbuf ps;
	bool any;	  /* kube-proxy runs */
	bool settled;	  /* and where its servers are, if not at the addresses of always, is known */
	bool has_kubelet; /* the node's processes can be seen */
	struct stat here; /* the network namespace that is looked at */
	struct target health, metrics;
};

/* ---- processes ---- */

/* In this network namespace? What may not be asked is not. */
static bool is_here(const struct looking *x, const char *pid)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/ns/net", pid);
	return stat(path, &st) == 0 && st.st_ino == x->here.st_ino && st.st_dev == x->here.st_dev;
}

static char *read_of(const char *pid, const char *file, size_t max, size_t *ret_size)
{
	char path[64], *data;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/%s", pid, file);
	return file_read_at(AT_FDCWD, path, max, &data, ret_size) == 0 ? data : NULL;
}

/* Words apart by blanks, as ps shows them. */
static void make_line(char *command, size_t size)
{
	while (size > 0 && (command[size - 1] == '\0' || command[size - 1] == ' '))
		size--;
	for (size_t i = 0; i < size; i++)
		if (command[i] == '\0')
			command[i] = ' ';
		else if (iscntrl((unsigned char)command[i]))
			command[i] = '?';
	command[size] = '\0';
}

/* proc(5): field 22 of stat, in ticks since the machine was started; the name before it may hold anything. -1: not told. */
static int64_t seconds_of(const char *pid)
{
	size_t size;
	char *stat_ CLEANUP(text_free) = read_of(pid, "stat", 4096, &size);
	const char *at = stat_ ? strrchr(stat_, ')') : NULL;
	struct timespec now;
	uint64_t ticks;
	const long hz = sysconf(_SC_CLK_TCK);

	for (int field = 2; at && field < 22; field++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	if (!at || hz <= 0 || clock_gettime(CLOCK_BOOTTIME, &now) < 0 || parse_uint(at, strspn(at, "0123456789"), INT64_MAX, &ticks) < 0)
		return -1;
	return MAX((int64_t)now.tv_sec - (int64_t)(ticks / (uint64_t)hz), 0);
}

/* A token may stand on the command line of a program that is more than kube-proxy. */
static void cut_line(char *command, const char *inside)
{
	char *end = command + strcspn(command, " ");

	if (strcmp(inside, "hyperkube") == 0) /* which is one program at a time */
		return;
	if (str_starts(end, " server") || str_starts(end, " agent"))
		end += 1 + strcspn(end + 1, " ");
	*end = '\0';
}

bool proxy_parse_bind(const char *text, uint16_t def, struct ip_addr *ret_addr, uint16_t *ret_port)
{
	const char *colon = strrchr(text, ':');
	const bool has_port = colon && colon == strchr(text, ':');
	const char *bracket = strchr(text, ']');
	size_t len = strlen(text);
	struct ip_addr addr = { 0 };
	uint64_t port = def;

	if (*text == '[' && bracket) {
		if (bracket[1] == ':' && parse_uint(bracket + 2, strlen(bracket + 2), UINT16_MAX, &port) < 0)
			return false;
		text++;
		len = (size_t)(bracket - text);
	} else if (has_port) {
		if (parse_uint(colon + 1, strlen(colon + 1), UINT16_MAX, &port) < 0)
			return false;
		len = (size_t)(colon - text);
	}
	if (len && ip_addr_parsen(text, len, &addr) < 0)
		return false;
	*ret_addr = ip_addr_is_zero(&addr) ? (struct ip_addr){ 0 } : addr;
	*ret_port = (uint16_t)port;
	return true;
}

static void take_bind(const char *text, uint16_t def, struct target *t)
{
	struct target found = { 0 };

	if (text && !*text)
		t->off = true;
	else if (text && proxy_parse_bind(text, def, &found.addr, &found.port))
		*t = (struct target){ .off = found.port == 0, .addr = found.addr, .port = found.port };
}

/* With --config all is in that file, in the process's own view of the files. */
static int read_config(struct looking *x, const char *pid, const char *path)
{
	struct arena arena CLEANUP(arena_release) = { 0 };
	struct sd_notes notes CLEANUP(sd_notes_release) = { 0 };
	struct kube_proxy_config c = { 0 };
	char root[64], *data CLEANUP(text_free) = NULL;
	size_t size;
	int r;

	(void)snprintf(root, sizeof(root), "/proc/%.20s/root", pid);
	r = *path == '/' ? file_read_below(root, path + 1, CONFIG_MAX, &data, &size) : -ENOENT;
	if (r == 0)
		r = proxy_config_from_yaml(&arena, data, size, path, &notes, &c);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	x->settled = true;
	/* in the file "" is the default, and not off */
	if (c.healthz_bind_address && *c.healthz_bind_address)
		take_bind(c.healthz_bind_address, PROXY_HEALTHZ_PORT, &x->health);
	if (c.metrics_bind_address && *c.metrics_bind_address)
		take_bind(c.metrics_bind_address, PROXY_METRICS_PORT, &x->metrics);
	return 0;
}

static void turn_off(const char *command, const char *flag, struct target *t)
{
	char value[16];

	t->off |= proxy_command_flag(command, flag, value, sizeof(value)) && strcmp(value, "0") == 0;
}

/* Where its servers are. */
static int take_settings(struct looking *x, const char *pid, const char *command)
{
	char value[512];

	if (proxy_command_flag(command, "config", value, sizeof(value)) && *value)
		return read_config(x, pid, value);
	x->settled = true;
	if (proxy_command_flag(command, "healthz-bind-address", value, sizeof(value)))
		take_bind(value, PROXY_HEALTHZ_PORT, &x->health);
	if (proxy_command_flag(command, "metrics-bind-address", value, sizeof(value)))
		take_bind(value, PROXY_METRICS_PORT, &x->metrics);
	turn_off(command, "healthz-port", &x->health);
	turn_off(command, "metrics-port", &x->metrics);
	return 0;
}

static int look_at(struct looking *x, const char *pid)
{
	static const char *const kubelets[] = { "kubelet", "hyperkube", "k3s-server", "k3s-agent", "kubelite", NULL };
	size_t size, comm_size;
	char *command CLEANUP(text_free) = read_of(pid, "cmdline", COMMAND_MAX, &size);
	char *comm CLEANUP(text_free) = command ? read_of(pid, "comm", 64, &comm_size) : NULL;
	const char *inside = NULL;
	int64_t seconds;

	if (!command || !comm || size == 0)
		return 0; /* it is gone, or ended and is not yet fetched, or the kernel's own */
	comm[strcspn(comm, "\n")] = '\0';
	make_line(command, size);
	if (str_one_of(comm, strlen(comm), kubelets))
		x->has_kubelet |= is_here(x, pid);
	if ((!proxy_command(command, strlen(command), &inside) && strcmp(comm, "kube-proxy") != 0) || !is_here(x, pid))
		return 0;
	seconds = seconds_of(pid);
	if (inside)
		cut_line(command, inside);
	strbuf_addf(&x->ps, "%7s ", pid);
	if (seconds < 0)
		strbuf_adds(&x->ps, "      -");
	else
		strbuf_addf(&x->ps, "%7lld", (long long)seconds);
	strbuf_addf(&x->ps, " %s\n", command);
	if (x->ps.failed)
		return -ENOMEM;
	if ((!inside || strcmp(inside, "hyperkube") == 0) && !x->any && take_settings(x, pid, command) < 0)
		return -ENOMEM;
	x->any = true;
	return 0;
}

static int look_through(struct looking *x)
{
	DIR *d CLEANUP(close_dir) = opendir("/proc");
	const struct dirent *e;
	size_t n = 0;
	int r = 0;

	while (r == 0 && d && n++ < PROCESSES_MAX && (e = readdir(d)))
		if (isdigit((unsigned char)e->d_name[0]) && strlen(e->d_name) < 20)
			r = look_at(x, e->d_name);
	return r;
}

/*
 * That there is none is known where all of a node's processes can be seen: not in a pod of its own, nor in a namespace beside the node's, nor through a
 * /proc that hides those of others. The number is that of the first process namespace (linux/proc_ns.h PROC_PID_INIT_INO).
 */
static bool sees_all(const struct looking *x)
{
	char ns[64] = "";

	if (!is_here(x, "1"))
		return false;
	return x->has_kubelet || (readlink("/proc/self/ns/pid", ns, sizeof(ns) - 1) > 0 && strcmp(ns, "pid:[4026531836]") == 0);
}

/* ---- where to ask ---- */

static const struct node_text *find_text(const struct node_live *l, const char *file)
{
	for (size_t i = 0; i < l->texts.len; i++)
		if (strcmp(l->texts.v[i].file, file) == 0)
			return l->texts.v[i].known == KNOWN && l->texts.v[i].k.text.len ? &l->texts.v[i] : NULL;
	return NULL;
}

static bool is_own(const struct node_facts *f, const struct ip_addr *a)
{
	if (ip_addr_is_loopback(a))
		return true;
	for (size_t i = 0; i < f->addrs.len; i++)
		if (ip_addr_equal(&f->addrs.v[i].addr, a))
			return true;
	return false;
}

static struct ip_addr loopback(int family)
{
	struct ip_addr a;

	(void)ip_addr_parse(family == AF_INET6 ? "::1" : "127.0.0.1", &a);
	return a;
}

/* The address of the socket at which the server listens, the configured one before others; false: nobody listens there. */
static bool find_socket(const struct node_facts *f, const struct target *t, struct ip_addr *ret)
{
	bool found = false;

	for (size_t i = 0; i < f->sockets.len; i++) {
		const struct node_socket *s = &f->sockets.v[i];
		const bool any = !s->addr.family || ip_addr_is_zero(&s->addr);

		if (s->proto != IPPROTO_TCP || s->port != t->port || (found && !ip_addr_equal(&s->addr, &t->addr)))
			continue;
		if (!any && !is_own(f, &s->addr))
			continue;
		*ret = any ? loopback(s->addr.family) : s->addr;
		found = true;
	}
	return found;
}

/* False: it is not asked. */
static bool choose(const struct looking *x, const struct node_facts *f, const struct target *t, struct ip_addr *ret)
{
	if (t->off)
		return false;
	if (find_socket(f, t, ret))
		return true;
	*ret = t->addr.family ? t->addr : loopback(AF_INET);
	return x->settled && is_own(f, ret);
}

/* ---- what is asked ---- */

static const struct page {
	const char *path, *file;
	size_t max;
} pages[PROXY_PORTS] = {
	[PROXY_HEALTHZ] = { "/healthz", "kube-proxy-healthz.json", SMALL_ANSWER },
	[PROXY_LIVEZ] = { "/livez", "kube-proxy-livez.json", SMALL_ANSWER },
	[PROXY_MODE] = { "/proxyMode", "kube-proxy-mode.txt", SMALL_ANSWER },
	[PROXY_CONFIGZ] = { "/configz", "kube-proxy-configz.json", SMALL_ANSWER },
	[PROXY_METRICS] = { "/metrics", "kube-proxy-metrics.txt", METRICS_MAX },
};

static bool is_mode(const char *s)
{
	size_t len = strspn(s, "abcdefghijklmnopqrstuvwxyz");

	return len > 0 && len <= 32 && s[len + strspn(s + len, " \r\n")] == '\0';
}

/* Of a program with other parts than kube-proxy their configuration is none of this. */
static bool take_configz(struct strbuf *b)
{
	json_t *o = json_loadb(strbuf_str(b), b->len, 0, NULL), *own = json_obj(o, "kubeproxy.config.k8s.io");
	const bool more = json_object_size(o) > 1;
	json_t *alone = own && more ? json_pack("{s:O}", "kubeproxy.config.k8s.io", own) : NULL;
	char *text CLEANUP(text_free) = alone ? json_dumps(alone, JSON_COMPACT) : NULL;

	if (text) {
		strbuf_reset(b);
		strbuf_adds(b, text);
	}
	json_decref(alone);
	json_decref(o);
	return own && (text || !more);
}

static bool is_health(const struct strbuf *b)
{
	json_t *o = json_loadb(strbuf_str(b), b->len, 0, NULL);
	const bool is = json_str(o, "lastUpdated") || json_tri(o, "healthy") >= 0;

	json_decref(o);
	return is;
}

static bool is_metrics(const char *s)
{
	return strncmp(s, "kubeproxy_", 10) == 0 || strstr(s, "\nkubeproxy_");
}

bool proxy_is_answer(enum snap_proxy_port port, struct strbuf *b)
{
	if (memchr(strbuf_str(b), '\0', b->len))
		return false;
	switch (port) {
	case PROXY_HEALTHZ:
	case PROXY_LIVEZ:
		return is_health(b);
	case PROXY_MODE:
		return is_mode(strbuf_str(b));
	case PROXY_CONFIGZ:
		return take_configz(b);
	case PROXY_METRICS:
		return is_metrics(strbuf_str(b));
	case PROXY_PORTS:
		break;
	}
	return false;
}

/* The answer itself becomes a file; another status than 200 is an answer of a health port alone. */
static int take_answer(struct node_live *l, enum snap_proxy_port port, struct proxy_question *q, struct strbuf *http)
{
	const bool ill = q->status == 503 && (port == PROXY_HEALTHZ || port == PROXY_LIVEZ);
	bool is = false;
	int r = 0;

	if (q->end == PORT_ANSWERED && (ill || q->status == 200)) {
		is = proxy_is_answer(port, &q->body);
		if (!is && !ill)
			q->end = PORT_STRANGE;
	}
	if (q->body.failed)
		return -ENOMEM;
	proxy_http_line(http, port, q->end, q->status, q->error ? strerror(q->error) : NULL);
	if (is)
		r = node_live_push(l, pages[port].file, &q->body);
	return r;
}

static int ask_all(struct looking *x, const struct node_facts *f, int64_t limit_ms)
{
	struct proxy_question v[PROXY_PORTS] = { 0 };
	enum snap_proxy_port port[PROXY_PORTS];
	struct strbuf http CLEANUP(strbuf_release) = STRBUF_INIT;
	size_t n = 0;
	int r;

	for (unsigned i = 0; i < PROXY_PORTS; i++) {
		const struct target *t = i == PROXY_HEALTHZ || i == PROXY_LIVEZ ? &x->health : &x->metrics;

		if (!choose(x, f, t, &v[n].addr))
			continue;
		v[n].port = t->port;
		v[n].path = pages[i].path;
		v[n].max = pages[i].max;
		v[n].may_cut = i == PROXY_METRICS;
		port[n++] = (enum snap_proxy_port)i;
	}
	r = n ? proxy_ask(v, n, limit_ms) : 0;
	for (size_t i = 0; i < n; i++) {
		if (r == 0)
			r = take_answer(x->l, port[i], &v[i], &http);
		strbuf_release(&v[i].body);
	}
	if (r < 0 || (!http.len && !http.failed))
		return r;
	return node_live_push(x->l, "kube-proxy-http.txt", &http);
}

static int ask_ports(struct looking *x, int64_t end_ms)
{
	const struct node_text *ss = find_text(x->l, "ss.txt"), *addr = find_text(x->l, "ip-addr.json");
	struct sd_notes ignored CLEANUP(sd_notes_release) = { 0 };
	struct node_facts f;
	const int64_t left = end_ms ? end_ms - clock_ms() : ASK_MS;
	int r = 0;

	node_facts_init(&f);
	if (ss)
		r = read_ss(&f, ss->k.text.s, ss->k.text.len, ss->file, &ignored);
	if (addr && r != -ENOMEM)
		r = read_ip_addr(&f, addr->k.text.s, addr->k.text.len, addr->file, &ignored);
	if (r != -ENOMEM && left > 0)
		r = ask_all(x, &f, MIN(left, (int64_t)ASK_MS));
	node_facts_release(&f);
	return r == -ENOMEM ? r : 0;
}

int node_proxy_read(struct node_live *l, int64_t end_ms)
{
	struct looking x = { .l = l, .health = { .port = PROXY_HEALTHZ_PORT }, .metrics = { .port = PROXY_METRICS_PORT } };
	int r;

	if (stat("/proc/thread-self/ns/net", &x.here) < 0)
		return 0;
	r = look_through(&x);
	if (r == 0 && (x.any || sees_all(&x)))
		r = node_live_push(l, "ps.txt", &x.ps);
	strbuf_release(&x.ps);
	return r < 0 ? r : ask_ports(&x, end_ms);
}
