/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A log of any kind: no line is counted twice, and what is kept is short and clean. */
#include <svcdoctor/klog.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *s)
{
	for (; s && *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct log_summary s = { 0 };
	size_t known = 0;

	if (log_read(&a, LOG_COREDNS, (const char *)data, size, size % 2, &s) == 0) {
		for (size_t i = 0; i < s.hits.len; i++) {
			known += s.hits.v[i].count;
			check_text(s.hits.v[i].name);
			check_text(s.hits.v[i].detail);
			check_text(s.hits.v[i].text);
			if (!s.hits.v[i].text || strlen(s.hits.v[i].text) > 1200 || s.hits.v[i].last_line > s.lines)
				abort();
		}
		check_text(s.first_unknown);
		check_text(s.version);
		if (known + s.errors_unknown > s.lines || s.started_line > s.lines)
			abort();
	}
	log_summary_release(&s);
	arena_release(&a);
	return 0;
}
