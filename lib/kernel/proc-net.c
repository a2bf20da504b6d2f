/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `nstat -asz`, the neighbour tables' statistics, who holds the lock of iptables, and `ethtool -k` of tunnel links: from /proc and by ioctl. Nothing
 * is asked that sets anything.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel-private.h"

#define LINKS_MAX 65536u
#define FEATURES_MAX 512u
#define HOLDERS_MAX 8u
#define LISTS_MAX 8192u

/* ---- nstat -asz ---- */

static size_t word_len(const char *s, const char *end)
{
	size_t n = 0;

	while (s + n < end && s[n] != ' ' && s[n] != '\t' && s[n] != '\n')
		n++;
	return n;
}

static const char *skip_blanks(const char *s, const char *end)
{
	while (s < end && (*s == ' ' || *s == '\t'))
		s++;
	return s;
}

/* What counts nothing is left out by nstat (iproute2 misc/nstat.c useless_numbers). */
static bool is_no_counter(const char *name)
{
	static const char *const names[] = { "IpForwarding", "IpDefaultTTL", "TcpRtoAlgorithm", "TcpRtoMin", "TcpRtoMax", "TcpMaxConn", "TcpCurrEstab" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* iproute2 misc/nstat.c dump_kern_db */
static void add_counter(struct strbuf *b, const char *head, size_t head_len, const char *name, size_t len, const char *value, size_t value_len)
{
	char full[128];

	(void)snprintf(full, sizeof(full), "%.*s%.*s", (int)MIN(head_len, (size_t)60), head, (int)MIN(len, (size_t)60), name);
	if (!is_no_counter(full))
		strbuf_addf(b, "%-32s%-16.*s%6.1f\n", full, (int)MIN(value_len, (size_t)32), value, 0.0);
}

/* Two lines of one head: "TcpExt: A B", "TcpExt: 1 2". */
static void add_pair(struct strbuf *b, const char *names, const char *names_end, const char *values, const char *values_end)
{
	const size_t head = word_len(names, names_end);
	const char *n = skip_blanks(names + head, names_end), *v = values + word_len(values, values_end);

	if (head < 2 || names[head - 1] != ':' || (size_t)(v - values) != head || memcmp(names, values, head) != 0)
		return;
	v = skip_blanks(v, values_end);
	while (n < names_end && v < values_end) {
		const size_t nlen = word_len(n, names_end), vlen = word_len(v, values_end);

		add_counter(b, names, head - 1, n, nlen, v, vlen);
		n = skip_blanks(n + nlen, names_end);
		v = skip_blanks(v + vlen, values_end);
	}
}

static const char *line_end(const char *s, const char *end)
{
	const char *nl = memchr(s, '\n', (size_t)(end - s));

	return nl ? nl : end;
}

static void add_pairs(struct strbuf *b, const struct strbuf *text)
{
	const char *at = strbuf_str(text), *end = at + text->len;

	while (at < end) {
		const char *first = line_end(at, end), *second = first < end ? line_end(first + 1, end) : end;

		if (first + 1 < end)
			add_pair(b, at, first, first + 1, second);
		at = second + 1;
	}
}

/* /proc/net/snmp6: "Ip6InReceives    	8" */
static void add_singles(struct strbuf *b, const struct strbuf *text)
{
	const char *at = strbuf_str(text), *end = at + text->len;

	while (at < end) {
		const char *nl = line_end(at, end);
		const size_t len = word_len(at, nl);
		const char *v = skip_blanks(at + len, nl);

		if (len && v < nl)
			add_counter(b, "", 0, at, len, v, word_len(v, nl));
		at = nl + 1;
	}
}

int kernel_counters(struct kernel_text *ret)
{
	static const char *const files[] = { "net/netstat", "net/snmp6", "net/snmp" };
	bool any = false;

	strbuf_adds(&ret->text, "#kernel\n");
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		CLEANUP(strbuf_release) struct strbuf text = STRBUF_INIT;
		const int r = kernel_proc_read(files[i], &text);

		if (r == -ENOMEM)
			return kernel_text_errno(ret, r, NULL, files[i]);
		any |= r == 0;
		if (r == 0)
			(str_ends(files[i], "6") ? add_singles : add_pairs)(&ret->text, &text);
	}
	if (!any)
		return kernel_text_errno(ret, -ENOENT, NULL, "/proc/net/netstat");
	return kernel_text_end(ret, KERNEL_READ, "%s", "");
}

/* ---- neighbours ---- */

/* Only the first network namespace has them. */
int kernel_neigh_stats(struct kernel_text *ret)
{
	static const char *const names[] = { "arp_cache", "ndisc_cache" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CLEANUP(strbuf_release) struct strbuf text = STRBUF_INIT;
		char path[40];
		int r;

		(void)snprintf(path, sizeof(path), "net/stat/%s", names[i]);
		r = kernel_proc_read(path, &text);
		if (r == -ENOMEM)
			return kernel_text_errno(ret, r, NULL, path);
		if (r == 0)
			strbuf_addf(&ret->text, "%s==> %s <==\n%s", ret->text.len ? "\n" : "", names[i], strbuf_str(&text));
	}
	if (ret->text.len == 0)
		return kernel_text_errno(ret, -ENOENT, NULL, "/proc/net/stat/arp_cache");
	return kernel_text_end(ret, KERNEL_READ, "%s", "");
}

/* ---- locks ---- */

#define LOCK_FILE "/run/xtables.lock"

/* As ps -o pid=,comm= has it. */
static int add_process(struct strbuf *b, uint64_t pid)
{
	CLEANUP(strbuf_release) struct strbuf name = STRBUF_INIT;
	char path[40];
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%llu/comm", (unsigned long long)pid);
	r = kernel_proc_read(path, &name);
	if (r == 0 && name.len > 1)
		strbuf_addf(b, "%7llu %.*s\n", (unsigned long long)pid, (int)word_len(name.s, name.s + name.len), name.s);
	return r == -ENOMEM ? r : 0;
}

/* "1: FLOCK  ADVISORY  WRITE 4711 00:19:1234 0 EOF": the fifth word, where a lock is one of this inode. */
static uint64_t holder_of(const char *line, const char *end, uint64_t inode)
{
	const char *words[8], *colon;
	size_t len[8], n = 0;
	uint64_t pid, number;

	for (const char *s = skip_blanks(line, end); s < end && n < 8; s = skip_blanks(s + len[n - 1], end)) {
		words[n] = s;
		len[n] = word_len(s, end);
		n++;
	}
	if (n < 6 || words[1][0] == '-')
		return 0;
	colon = memrchr(words[5], ':', len[5]);
	if (!colon || parse_uint(colon + 1, (size_t)(words[5] + len[5] - colon - 1), UINT64_MAX, &number) < 0 || number != inode)
		return 0;
	return parse_uint(words[4], len[4], INT32_MAX, &pid) == 0 ? pid : 0;
}

int kernel_locks(struct kernel_text *ret)
{
	CLEANUP(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct stat st;
	size_t shown = 0;
	int r;

	if (stat(LOCK_FILE, &st) < 0)
		return kernel_text_errno(ret, -errno, "CAP_DAC_READ_SEARCH", LOCK_FILE);
	r = kernel_proc_read("/proc/locks", &text);
	if (r < 0)
		return kernel_text_errno(ret, r, "CAP_DAC_READ_SEARCH", "/proc/locks");
	strbuf_addf(&ret->text, "%llu %llu %s\n%s", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino, LOCK_FILE, strbuf_str(&text));
	for (const char *at = strbuf_str(&text), *end = at + text.len, *nl; at < end && shown < HOLDERS_MAX; at = nl + 1) {
		uint64_t pid;

		nl = line_end(at, end);
		pid = holder_of(at, nl, st.st_ino);
		if (pid && add_process(&ret->text, pid) < 0)
			return kernel_text_errno(ret, -ENOMEM, NULL, "/proc/locks");
		shown += pid != 0;
	}
	return kernel_text_end(ret, KERNEL_READ, "%s", "");
}

/* ---- xt_recent ---- */

#define RECENT_PARAMETER "/sys/module/xt_recent/parameters/ip_list_tot"

static int recent_list(struct strbuf *b, const char *name)
{
	CLEANUP(strbuf_release) struct strbuf text = STRBUF_INIT;
	char path[320];
	size_t lines = 0;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/thread-self/net/xt_recent/%s", name);
	r = kernel_proc_read(path, &text);
	if (r < 0) /* gone meanwhile, or not to be read */
		return r == -ENOMEM ? r : 0;
	for (size_t i = 0; i < text.len; i++)
		lines += text.s[i] == '\n';
	strbuf_addf(b, "%zu /proc/net/xt_recent/%s\n", lines, name);
	return 0;
}

int kernel_recent(struct kernel_text *ret)
{
	CLEANUP(strbuf_release) struct strbuf limit = STRBUF_INIT;
	DIR *d = opendir("/proc/thread-self/net/xt_recent");
	const struct dirent *e;
	size_t lists = 0;
	int r = 0;

	if (!d)
		return kernel_text_errno(ret, -errno, "CAP_DAC_READ_SEARCH", "/proc/net/xt_recent");
	r = kernel_proc_read(RECENT_PARAMETER, &limit);
	if (r == 0)
		strbuf_addf(&ret->text, "%s:%s", RECENT_PARAMETER, strbuf_str(&limit));
	r = r == -ENOMEM ? r : 0;
	while (r == 0 && lists < LISTS_MAX && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		r = recent_list(&ret->text, e->d_name);
		lists++;
	}
	(void)closedir(d);
	if (r < 0)
		return kernel_text_errno(ret, r, NULL, "/proc/net/xt_recent");
	return kernel_text_end(ret, KERNEL_READ, "%s", "");
}

/* ---- ethtool -k ---- */

/* One ioctl of ethtool that only reads; false: the link or its driver does not know it. */
static bool ask_link(int fd, const char *link, void *data)
{
	struct ifreq q = { 0 };

	(void)snprintf(q.ifr_name, sizeof(q.ifr_name), "%s", link);
	q.ifr_data = data;
	return ioctl(fd, SIOCETHTOOL, &q) == 0;
}

static bool is_tunnel(int fd, const char *link)
{
	static const char *const drivers[] = { "vxlan", "geneve" };
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };

	if (!ask_link(fd, link, &info))
		return false;
	info.driver[sizeof(info.driver) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
		if (strcmp(info.driver, drivers[i]) == 0)
			return true;
	return false;
}

/* How many features the kernel knows: bits of a mask, by names. */
static uint32_t count_features(int fd, const char *link)
{
	union {
		struct ethtool_sset_info info;
		char room[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)];
	} q = { .info = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << ETH_SS_FEATURES } };

	return ask_link(fd, link, &q) && q.info.sset_mask ? MIN(q.info.data[0], FEATURES_MAX) : 0;
}

static void print_features(struct strbuf *b, const char *link, const struct ethtool_gstrings *names, const struct ethtool_gfeatures *bits)
{
	strbuf_addf(b, "Features for %s:\n", link);
	for (uint32_t i = 0; i < names->len && i / 32 < bits->size; i++) {
		const struct ethtool_get_features_block *f = &bits->features[i / 32];
		const uint32_t bit = 1u << (i % 32);
		const char *name = (const char *)names->data + (size_t)i * ETH_GSTRING_LEN;

		if (*name)
			strbuf_addf(b, "%.*s: %s%s\n", ETH_GSTRING_LEN, name, f->active & bit ? "on" : "off",
				    !(f->available & bit) || (f->never_changed & bit) ? " [fixed]" : "");
	}
}

static int add_features(struct strbuf *b, int fd, const char *link)
{
	const uint32_t n = count_features(fd, link), blocks = (n + 31) / 32;
	struct ethtool_gstrings *names = n ? calloc(1, sizeof(*names) + (size_t)n * ETH_GSTRING_LEN) : NULL;
	struct ethtool_gfeatures *bits = n ? calloc(1, sizeof(*bits) + blocks * sizeof(bits->features[0])) : NULL;
	const int r = n && (!names || !bits) ? -ENOMEM : 0;

	if (names && bits) {
		names->cmd = ETHTOOL_GSTRINGS;
		names->string_set = ETH_SS_FEATURES;
		names->len = n;
		bits->cmd = ETHTOOL_GFEATURES;
		bits->size = blocks;
		if (ask_link(fd, link, names) && ask_link(fd, link, bits) && names->len <= n && bits->size <= blocks)
			print_features(b, link, names, bits);
	}
	free(names);
	free(bits);
	return r;
}

/*
 * Features by the kernel's own names ("tx-checksum-ip-generic"), as ethtool shows them below its groups. By ioctl: kernels before 5.6 have no
 * netlink for it, and they are those about which it is asked. A link that is gone meanwhile is no link (dev_load of net/core/dev_ioctl.c would
 * look for a module netdev-NAME then; nobody makes such a module for a tunnel).
 */
int kernel_offloads(struct kernel_text *ret)
{
	int fd CLEANUP(fd_close) = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct if_nameindex *links = fd < 0 ? NULL : if_nameindex();
	int r = fd < 0 || !links ? -errno : 0;

	if (r < 0)
		return kernel_text_errno(ret, r, NULL, "the list of links");
	for (size_t i = 0; r == 0 && i < LINKS_MAX && links[i].if_name; i++)
		if (is_tunnel(fd, links[i].if_name))
			r = add_features(&ret->text, fd, links[i].if_name);
	if_freenameindex(links);
	if (r < 0)
		return kernel_text_errno(ret, r, NULL, "ethtool");
	return kernel_text_end(ret, ret->text.len ? KERNEL_READ : KERNEL_ABSENT, "%s", ret->text.len ? "" : "there is no tunnel link");
}
