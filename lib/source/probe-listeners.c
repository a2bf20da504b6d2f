/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who listens behind an address of this machine's pods. Each process shows the sockets and addresses of its network namespace below /proc/PID/net
 * (proc(5)), so that nobody has to go there: one process of each namespace is asked, first for its addresses, and where one of those that are
 * wanted is local, for its sockets. Seeing the namespaces of others' processes takes root, or CAP_SYS_PTRACE; what cannot be seen is not known.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

#include <svcdoctor/source.h>

enum { SPACES_MAX = 4096, PIDS_MAX = 1 << 18, TABLE_MAX = 16 << 20, SOCKETS_MAX = 4096 };
enum { STATE_LISTEN = 0x0a, STATE_UNCONNECTED = 0x07 };

struct seen {
	struct map by_link; /* "net:[4026531840]" */
	struct arena arena;
	struct snap_listeners *v;
	size_t n;
	unsigned *hits; /* namespaces that have the address */
	int err;
};

/* Below /proc/PID/net; NULL when it cannot be read. */
static char *read_table(int pid_fd, const char *name)
{
	char path[32], *data = NULL;
	size_t size;
	(void)snprintf(path, sizeof(path), "net/%s", name);
	return file_read_at(pid_fd, path, TABLE_MAX, &data, &size) < 0 ? NULL : data;
}

/* ---- addresses ---- */

static void hit(struct seen *s, const struct ip_addr *a, bool *here)
{
	for (size_t i = 0; i < s->n; i++) {
		if (ip_addr_equal(&s->v[i].addr, a)) {
			here[i] = true;
		}
	}
}

static char *next_line(char *line)
{
	char *end = strchr(line, '\n');
	if (end) {
		*end++ = 0;
	}
	return end;
}

/* "|-- 10.244.1.5", and below it "/32 host LOCAL". */
static void local4(struct seen *s, char *text, bool *here)
{
	struct ip_addr a = { 0 };
	for (char *line = text, *next; line && *line; line = next) {
		next = next_line(line);
		char *at = line + strspn(line, " ");
		if (str_starts(at, "|-- ")) {
			if (ip_addr_parse(at + 4, &a) < 0) {
				a = (struct ip_addr){ 0 };
			}
		} else if (str_starts(at, "/32 host LOCAL") && a.family) {
			hit(s, &a, here);
		}
	}
}

/* @words numbers of 32 bits, each as the machine holds its four bytes. */
static bool parse_words(const char *s, size_t words, bool in_order, uint8_t *ret)
{
	for (size_t i = 0; i < words; i++) {
		uint32_t w = 0;
		for (size_t k = 0; k < 8; k++) {
			const char *digits = "0123456789abcdef", *d = s[i * 8 + k] ? strchr(digits, s[i * 8 + k] | 0x20) : NULL;
			if (!d) {
				return false;
			}
			w = w << 4 | (uint32_t)(d - digits);
		}
		w = in_order ? htonl(w) : w;
		memcpy(ret + 4 * i, &w, sizeof(w));
	}
	return true;
}

/* "fd4400010000000000000000000000005 02 40 00 80 eth0": 32 digits, in the order of the bytes. */
static void local6(struct seen *s, char *text, bool *here)
{
	for (char *line = text, *next; line && *line; line = next) {
		struct ip_addr a = { .family = AF_INET6 };
		next = next_line(line);
		if (strlen(line) > 32 && parse_words(line, 4, true, a.b)) {
			hit(s, &a, here);
		}
	}
}

/* ---- sockets ---- */

/* "  0: 0100007F:1F90 00000000:0000 0A ...". */
static bool parse_socket(const char *line, bool six, uint8_t proto, struct node_socket *ret)
{
	const char *at = strchr(line, ':');
	size_t words = six ? 4 : 1;
	uint64_t port, state;
	char number[8];
	struct node_socket k = { .proto = proto, .addr = { .family = six ? AF_INET6 : AF_INET } };
	if (!at || strlen(at) < 2 + 2 * (words * 8 + 6) + 2 || !parse_words(at + 2, words, false, k.addr.b)) {
		return false;
	}
	at += 2 + words * 8;
	(void)snprintf(number, sizeof(number), "0x%.4s", at + 1);
	if (*at != ':' || parse_uint(number, strlen(number), 65535, &port) < 0) {
		return false;
	}
	(void)snprintf(number, sizeof(number), "0x%.2s", at + 6 + words * 8 + 6);
	if (parse_uint(number, strlen(number), 255, &state) < 0 || state != (proto == IPPROTO_UDP ? STATE_UNCONNECTED : STATE_LISTEN)) {
		return false;
	}
	k.port = (uint16_t)port;
	if (six && ip_addr_is_zero(&k.addr)) {
		k.addr = (struct ip_addr){ 0 }; /* whether it takes IPv4 too is not shown: as a rule it does */
	}
	/* an IPv4 address of a socket of IPv6 */
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	if (six && k.addr.family && memcmp(k.addr.b, mapped, sizeof(mapped)) == 0) {
		struct ip_addr v4 = { .family = AF_INET };
		memcpy(v4.b, k.addr.b + 12, 4);
		k.addr = v4;
	}
	*ret = k;
	return true;
}

/* False: it could not be read. */
static bool add_sockets(int pid_fd, const char *table, bool six, uint8_t proto, struct snap_listeners *out, int *err)
{
	char *text CLEANUP(text_free) = read_table(pid_fd, table);
	for (char *line = text, *next; line && *line; line = next) {
		struct node_socket k;
		next = next_line(line);
		if (out->sockets.len < SOCKETS_MAX && parse_socket(line, six, proto, &k) && array_push(&out->sockets, k) < 0) {
			*err = -ENOMEM;
		}
	}
	return text != NULL;
}

static void take_sockets(struct seen *s, int pid_fd, struct snap_listeners *out)
{
	bool tcp = add_sockets(pid_fd, "tcp", false, IPPROTO_TCP, out, &s->err);
	bool udp = add_sockets(pid_fd, "udp", false, IPPROTO_UDP, out, &s->err);
	(void)add_sockets(pid_fd, "tcp6", true, IPPROTO_TCP, out, &s->err);
	(void)add_sockets(pid_fd, "udp6", true, IPPROTO_UDP, out, &s->err);
	out->known = tcp && udp;
}

/* ---- namespaces ---- */

static void look_into(struct seen *s, int pid_fd)
{
	bool *here = calloc(s->n + 1, sizeof(*here));
	char *v4 CLEANUP(text_free) = read_table(pid_fd, "fib_trie");
	char *v6 CLEANUP(text_free) = read_table(pid_fd, "if_inet6");
	if (!here) {
		s->err = -ENOMEM;
		return;
	}
	if (v4) {
		local4(s, v4, here);
	}
	if (v6) {
		local6(s, v6, here);
	}
	for (size_t i = 0; i < s->n; i++) {
		if (here[i] && s->hits[i]++ == 0) {
			take_sockets(s, pid_fd, &s->v[i]);
		}
	}
	free(here);
}

static void look_at_process(struct seen *s, int proc_fd, const char *name)
{
	int pid_fd CLEANUP(fd_close) = openat(proc_fd, name, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	char link[64];
	ssize_t n = pid_fd < 0 ? -1 : readlinkat(pid_fd, "ns/net", link, sizeof(link) - 1);
	if (n <= 0 || s->by_link.len >= SPACES_MAX || map_get(&s->by_link, link, (size_t)n)) {
		return;
	}
	char *key = arena_strndup(&s->arena, link, (size_t)n);
	if (!key || map_put(&s->by_link, key, (size_t)n, key) < 0) {
		s->err = -ENOMEM;
		return;
	}
	look_into(s, pid_fd);
}

static void look_around(struct seen *s)
{
	DIR *proc = opendir("/proc");
	const struct dirent *e;
	for (size_t i = 0; proc && !s->err && i < PIDS_MAX && (e = readdir(proc)); i++) {
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9') {
			look_at_process(s, dirfd(proc), e->d_name);
		}
	}
	if (proc) {
		(void)closedir(proc);
	}
}

int probe_listeners(struct snap_listeners *v, size_t n)
{
	struct seen s = { .v = v, .n = n, .hits = calloc(n + 1, sizeof(*s.hits)) };
	s.err = s.hits ? 0 : -ENOMEM;
	if (s.hits && n > 0) {
		look_around(&s);
	}
	/* one address in two places: nobody knows which of them a packet comes to */
	for (size_t i = 0; s.hits && i < n; i++) {
		v[i].known = v[i].known && s.hits[i] == 1;
	}
	free(s.hits);
	map_release(&s.by_link);
	arena_release(&s.arena);
	return s.err;
}

void probe_listeners_release(struct snap_listeners *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		array_free(&v[i].sockets);
	}
}
