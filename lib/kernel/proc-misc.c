/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `lsmod`, `uname -a` and `conntrack -S`, from /proc and uname(2). */

#include <errno.h>
#include <sys/utsname.h>

#include "kernel-private.h"

/* ---- lines and words ---- */

struct words {
	const char *v[32];
	size_t len[32];
	size_t n;
};

/* The next line's words; false: there is no other line. What is behind the 32nd word is left out. */
static bool next_line(const char **at, const char *end, struct words *ret)
{
	const char *s = *at, *nl;

	if (s >= end)
		return false;
	nl = memchr(s, '\n', (size_t)(end - s));
	if (!nl)
		nl = end;
	ret->n = 0;
	while (ret->n < ARRAY_LEN(ret->v)) {
		while (s < nl && (*s == ' ' || *s == '\t'))
			s++;
		if (s == nl)
			break;
		ret->v[ret->n] = s;
		while (s < nl && *s != ' ' && *s != '\t')
			s++;
		ret->len[ret->n] = (size_t)(s - ret->v[ret->n]);
		ret->n++;
	}
	*at = nl + 1;
	return true;
}

static bool is_word(const struct words *w, size_t i, const char *what)
{
	return w->len[i] == strlen(what) && memcmp(w->v[i], what, w->len[i]) == 0;
}

/* ---- lsmod ---- */

/* "nf_nat,[permanent],": a comma stands behind each, "-" is nobody, and what is in brackets is no module. */
static void add_users(struct strbuf *b, const char *s, const char *end)
{
	char before = ' ';

	while (s < end) {
		const char *comma = memchr(s, ',', (size_t)(end - s));
		const size_t len = (size_t)((comma ? comma : end) - s);

		if (len && *s != '[' && !(len == 1 && *s == '-')) {
			strbuf_addc(b, before);
			strbuf_add(b, s, len);
			before = ',';
		}
		s += len + 1;
	}
}

/* "nf_nat 49152 2 xt_nat,nft_chain_nat, Live 0x..." */
static void add_module(struct strbuf *b, const struct words *w)
{
	strbuf_addf(b, "%-19.*s %8.*s  %.*s", (int)w->len[0], w->v[0], (int)w->len[1], w->v[1], (int)w->len[2], w->v[2]);
	add_users(b, w->v[3], w->v[3] + w->len[3]);
	strbuf_addc(b, '\n');
}

int kernel_modules(struct kernel_text *ret)
{
	CLEANUP(strbuf_release) struct strbuf text = STRBUF_INIT;
	const int r = kernel_proc_read("/proc/modules", &text);
	const char *at = strbuf_str(&text), *end = at + text.len;
	struct words w;

	if (r < 0)
		return kernel_text_errno(ret, r, "CAP_DAC_READ_SEARCH", "/proc/modules");
	strbuf_adds(&ret->text, "Module                  Size  Used by\n");
	while (next_line(&at, end, &w)) {
		if (w.n >= 4)
			add_module(&ret->text, &w);
	}
	return kernel_text_end(ret, KERNEL_READ, "%s", "");
}

/* ---- uname -a ---- */

int kernel_uname(struct kernel_text *ret)
{
	struct utsname u;

	if (uname(&u) < 0)
		return kernel_text_errno(ret, -errno, NULL, "uname");
	strbuf_addf(&ret->text, "%s %s %s %s %s GNU/Linux\n", u.sysname, u.nodename, u.release, u.version, u.machine);
	return kernel_text_end(ret, KERNEL_READ, "%s", "");
}

/* ---- conntrack -S ---- */

/* The columns of the file (net/netfilter/nf_conntrack_standalone.c) in the order and by the names of conntrack -S. */
static const struct {
	const char *column, *name;
} statistics[] = {
	{ "searched", "searched" },
	{ "found", "found" },
	{ "invalid", "invalid" },
	{ "insert", "insert" },
	{ "insert_failed", "insert_failed" },
	{ "drop", "drop" },
	{ "early_drop", "early_drop" },
	{ "icmp_error", "error" },
	{ "search_restart", "search_restart" },
	{ "clashres", "clash_resolve" },
	{ "chainlength", "chaintoolong" },
};

static void add_statistic(struct strbuf *b, const struct words *head, const struct words *line, size_t which)
{
	for (size_t i = 0; i < head->n && i < line->n; i++) {
		char hex[20];
		uint64_t n;

		if (!is_word(head, i, statistics[which].column))
			continue;
		(void)snprintf(hex, sizeof(hex), "0x%.*s", (int)MIN(line->len[i], 16u), line->v[i]);
		if (parse_uint(hex, strlen(hex), UINT64_MAX, &n) == 0)
			strbuf_addf(b, "%s=%llu ", statistics[which].name, (unsigned long long)n);
		return;
	}
}

int kernel_conntrack_stats(struct kernel_text *ret)
{
	CLEANUP(strbuf_release) struct strbuf text = STRBUF_INIT;
	const int r = kernel_proc_read("net/stat/nf_conntrack", &text);
	const char *at = strbuf_str(&text), *end = at + text.len;
	struct words head, line;

	if (r < 0)
		return kernel_text_errno(ret, r, "CAP_DAC_READ_SEARCH", "/proc/net/stat/nf_conntrack");
	if (!next_line(&at, end, &head))
		return kernel_text_end(ret, KERNEL_FAILED, "/proc/net/stat/nf_conntrack is empty");
	for (unsigned cpu = 0; next_line(&at, end, &line); cpu++) {
		strbuf_addf(&ret->text, "cpu=%-4u\t", cpu);
		for (size_t i = 0; i < ARRAY_LEN(statistics); i++)
			add_statistic(&ret->text, &head, &line, i);
		strbuf_addc(&ret->text, '\n');
	}
	return kernel_text_end(ret, KERNEL_READ, "%s", "");
}
