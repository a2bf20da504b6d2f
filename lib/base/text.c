/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers, names, cleaning of text from outside, and bounded file reading. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <svcdoctor/base.h>

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

int parse_uint(const char *s, size_t len, uint64_t max, uint64_t *ret)
{
	unsigned base = 10;
	uint64_t v = 0;
	size_t i = 0;

	if (len > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		i = 2;
	}
	if (i == len)
		return SD_EPARSE;
	for (; i < len; i++) {
		unsigned d = (unsigned)digit_value(s[i]);

		if (d >= base)
			return SD_EPARSE;
		if (v > (UINT64_MAX - d) / base)
			return -ERANGE;
		v = v * base + d;
	}
	if (v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

/* ---- lengths of time ---- */

static const struct {
	const char *name;
	uint64_t ns;
} units[] = {
	/* the longer of two that begin alike first */
	{ "ns", 1 },
	{ "us", 1000 },
	{ "\xc2\xb5s", 1000 }, /* U+00B5 */
	{ "\xce\xbcs", 1000 }, /* U+03BC */
	{ "ms", 1000000 },
	{ "s", 1000000000 },
	{ "m", 60000000000 },
	{ "h", 3600000000000 },
};

/* The unit at @s, which is moved behind it: its nanoseconds, or 0. */
static uint64_t duration_unit(const char **s)
{
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (str_starts(*s, units[i].name)) {
			*s += strlen(units[i].name);
			return units[i].ns;
		}
	return 0;
}

/* Digits with or without a fraction and their unit at *@s, added to *@ns. */
static int duration_part(const char **s, uint64_t *ns)
{
	size_t whole = strspn(*s, "0123456789");
	const char *fraction = *s + whole + ((*s)[whole] == '.');
	size_t digits = fraction > *s + whole ? strspn(fraction, "0123456789") : 0;
	const char *end = fraction + digits;
	uint64_t n = 0, unit = duration_unit(&end), part = unit;

	if (whole + digits == 0 || !unit)
		return SD_EPARSE;
	if (whole && parse_uint(*s, whole, INT64_MAX / unit, &n) < 0)
		return -ERANGE;
	n *= unit;
	for (size_t i = 0; i < digits && part >= 10; i++) {
		part /= 10;
		n += part * (uint64_t)(fraction[i] - '0');
	}
	if (n > (uint64_t)INT64_MAX - *ns)
		return -ERANGE;
	*ns += n;
	*s = end;
	return 0;
}

int parse_duration(const char *s, int64_t *ret_ms)
{
	uint64_t ns = 0, seconds;
	int r;

	if (*s && strspn(s, "0123456789") == strlen(s)) {
		r = parse_uint(s, strlen(s), INT64_MAX / 1000000000, &seconds);
		if (r == 0)
			*ret_ms = (int64_t)seconds * 1000;
		return r;
	}
	do {
		r = duration_part(&s, &ns);
		if (r < 0)
			return r;
	} while (*s);
	*ret_ms = (int64_t)(ns / 1000000 + (ns % 1000000 != 0));
	return 0;
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool is_k8s_name(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > 253 || s[0] == '-' || s[0] == '.' || s[n - 1] == '-' || s[n - 1] == '.')
		return false;
	for (; *s; s++)
		if (!(*s >= 'a' && *s <= 'z') && !(*s >= '0' && *s <= '9') && *s != '-' && *s != '.')
			return false;
	return true;
}

/*
 * Only cells whose row and column differ by at most @limit can lead to a distance within it; cells beside this band count as @limit + 1. What
 * both have at the beginning and at the end changes nothing.
 */
unsigned edit_distance(const char *a, const char *b, unsigned limit)
{
	enum { MAX_NAME = 256 };
	unsigned row[3][MAX_NAME + 2];
	size_t n = strlen(a), m = strlen(b);

	if (n > MAX_NAME || m > MAX_NAME || (n > m ? n - m : m - n) > limit)
		return limit + 1;
	for (; n && m && *a == *b; n--, m--)
		a++, b++;
	for (; n && m && a[n - 1] == b[m - 1]; n--)
		m--;
	for (size_t j = 0; j <= MIN(m, (size_t)limit) + 1; j++)
		row[0][j] = MIN((unsigned)j, limit + 1);
	for (size_t i = 1; i <= n; i++) {
		unsigned *cur = row[i % 3], *prev = row[(i + 2) % 3], *prev2 = row[(i + 1) % 3];
		const size_t first = i > limit ? i - limit : 1, last = MIN(m, i + limit);
		unsigned best = cur[first - 1] = first == 1 ? MIN((unsigned)i, limit + 1) : limit + 1;

		for (size_t j = first; j <= last; j++) {
			unsigned cost = a[i - 1] != b[j - 1];

			cur[j] = MIN(MIN(prev[j] + 1, cur[j - 1] + 1), prev[j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				cur[j] = MIN(cur[j], prev2[j - 2] + 1);
			best = MIN(best, cur[j]);
		}
		cur[last + 1] = limit + 1;
		if (best > limit)
			return limit + 1;
	}
	return MIN(row[n % 3][m], limit + 1);
}

static const struct {
	uint8_t number;
	const char *name;
} protocols[] = {
	{ IPPROTO_TCP, "tcp" }, { IPPROTO_UDP, "udp" }, { IPPROTO_SCTP, "sctp" }, { IPPROTO_ICMP, "icmp" },
	{ IPPROTO_ICMPV6, "ipv6-icmp" }, { IPPROTO_DCCP, "dccp" }, { IPPROTO_UDPLITE, "udplite" },
	{ IPPROTO_GRE, "gre" }, { IPPROTO_ESP, "esp" }, { IPPROTO_AH, "ah" }, { IPPROTO_IPIP, "ipencap" },
	{ IPPROTO_IPV6, "ipv6" }, { 89, "ospf" }, { 112, "vrrp" }, { 2, "igmp" }, { 94, "ipip" },
	{ IPPROTO_ICMPV6, "icmpv6" }, { IPPROTO_ICMPV6, "icmp6" }, { 103, "pim" },
};

const char *proto_name(uint8_t proto)
{
	static _Thread_local char buf[8];

	for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
		if (protocols[i].number == proto)
			return protocols[i].name;
	(void)snprintf(buf, sizeof(buf), "%u", proto);
	return buf;
}

int proto_parse(const char *s, size_t len, uint8_t *ret)
{
	uint64_t v;

	for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
		if (strlen(protocols[i].name) == len && strncasecmp(protocols[i].name, s, len) == 0) {
			*ret = protocols[i].number;
			return 0;
		}
	if (parse_uint(s, len, 255, &v) < 0)
		return SD_EPARSE;
	*ret = (uint8_t)v;
	return 0;
}

/* Length of the valid UTF-8 sequence at @s (no overlong forms, surrogates or C1 controls), or 0. */
static size_t utf8_length(const unsigned char *s)
{
	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f ? 1 : 0;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		return (s[1] & 0xc0) == 0x80 && !(s[0] == 0xc2 && s[1] < 0xa0) ? 2 : 0;
	if ((s[0] & 0xf0) == 0xe0) {
		if ((s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80)
			return 0;
		if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f))
			return 0;
		/* Bidirectional controls can reorder what a terminal shows: U+202A..202E, U+2066..2069, U+200E, U+200F. */
		if (s[0] == 0xe2 && ((s[1] == 0x80 && ((s[2] >= 0xaa && s[2] <= 0xae) || s[2] == 0x8e || s[2] == 0x8f)) ||
				     (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9)))
			return 0;
		return 3;
	}
	if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		if ((s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80 || (s[3] & 0xc0) != 0x80)
			return 0;
		return (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f) ? 0 : 4;
	}
	return 0;
}

void strbuf_add_clean(struct strbuf *b, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	while (*p) {
		size_t n = utf8_length(p);

		if (n)
			strbuf_add(b, (const char *)p, n);
		else
			strbuf_addc(b, *p == '\t' || *p == '\n' ? ' ' : '?');
		p += n ? n : 1;
	}
}

char *arena_clean(struct arena *a, const char *s)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	if (!s)
		return NULL;
	strbuf_add_clean(&b, s);
	return b.failed ? NULL : arena_strndup(a, strbuf_str(&b), b.len);
}

static int read_all(int fd, size_t max, char **ret_data, size_t *ret_size)
{
	struct stat st;
	size_t cap, len = 0;
	char *data;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > 0 && (uint64_t)st.st_size > max)
		return SD_ELIMIT;
	cap = (size_t)st.st_size + 4096;
	data = malloc(cap);
	if (!data)
		return -ENOMEM;
	for (;;) {
		ssize_t n = read(fd, data + len, cap - len - 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int r = n < 0 ? -errno : 0;

			if (r < 0) {
				free(data);
				return r;
			}
			break;
		}
		len += (size_t)n;
		if (len > max) {
			free(data);
			return SD_ELIMIT;
		}
		if (cap - len - 1 == 0) {
			char *bigger = realloc(data, cap * 2);

			if (!bigger) {
				free(data);
				return -ENOMEM;
			}
			data = bigger;
			cap *= 2;
		}
	}
	data[len] = '\0';
	*ret_data = data;
	*ret_size = len;
	return 0;
}

void text_free(char **s)
{
	free(*s);
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int64_t clock_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void fd_close(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

int file_read_at(int dirfd, const char *path, size_t max, char **ret_data, size_t *ret_size)
{
	/* O_NONBLOCK: a FIFO must not block us; read_all refuses everything but a regular file. */
	int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r;

	if (fd < 0)
		return -errno;
	r = read_all(fd, max, ret_data, ret_size);
	(void)close(fd);
	return r;
}

/* Linux before 5.6 has no openat2: there no link is followed at all. */
static int open_without_links(int root, const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[64];
	int at CLEANUP(fd_close) = -1, fd;

	if (!slash || (size_t)(slash - path) >= sizeof(folder) || memchr(path, '/', (size_t)(slash - path)))
		return -EINVAL;
	memcpy(folder, path, (size_t)(slash - path));
	folder[slash - path] = '\0';
	at = openat(root, folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (at < 0)
		return -errno;
	fd = openat(at, slash + 1, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

int file_read_below(const char *root, const char *path, size_t max, char **ret_data, size_t *ret_size)
{
	const struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	int at CLEANUP(fd_close) = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), fd CLEANUP(fd_close) = -1;

	if (at < 0)
		return -errno;
	fd = (int)syscall(SYS_openat2, at, path, &how, sizeof(how));
	if (fd < 0 && errno == ENOSYS)
		fd = open_without_links(at, path);
	else if (fd < 0)
		fd = -errno;
	return fd < 0 ? fd : read_all(fd, max, ret_data, ret_size);
}
