/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads `sysctl -a` text: "name = value" lines. What sysctl says about keys that it may not read (on stderr, often
 * caught in the same file) is counted and noted once.
 */
#include <errno.h>

#include <svcdoctor/source.h>

#define LINE_MAX_SIZE (64u << 10)
#define BAD_LINES_MAX 20

struct sysctl_reader {
	struct node_facts *f;
	const char *file;
	struct sd_notes *notes;
	uint32_t line, complaint_line;
	size_t taken, complaints, bad;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void trim(const char **s, size_t *len)
{
	while (*len && is_blank(**s)) {
		(*s)++;
		(*len)--;
	}
	while (*len && is_blank((*s)[*len - 1]))
		(*len)--;
}

static void bad_line(struct sysctl_reader *r, uint32_t column, const char *why)
{
	if (r->bad++ < BAD_LINES_MAX)
		sd_note_add(r->notes, true, "bad-line", r->file, r->line, column, NULL, "'%s': %s", r->file, why);
}

/* No blanks and no control characters inside; at least one dot. */
static bool is_name(const char *s, size_t len)
{
	bool dot = false;

	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)s[i] <= ' ' || s[i] == 0x7f)
			return false;
		dot |= s[i] == '.';
	}
	return dot;
}

static int take_line(struct sysctl_reader *r, const char *s, size_t len)
{
	static const char complaint[] = "sysctl:";
	const char *line = s, *eq, *value;
	size_t value_len;
	char *key, *copy;

	trim(&s, &len);
	if (len == 0 || *s == '#' || *s == ';')
		return 0;
	if (len >= sizeof(complaint) - 1 && memcmp(s, complaint, sizeof(complaint) - 1) == 0) {
		if (r->complaints++ == 0)
			r->complaint_line = r->line;
		return 0;
	}
	eq = memchr(s, '=', len);
	if (!eq || memchr(s, '\0', len) || len > LINE_MAX_SIZE) {
		bad_line(r, (uint32_t)(s - line) + 1,
			 len > LINE_MAX_SIZE ? "a line is longer than 64 KiB" : "a line is not 'name = value'");
		return 0;
	}
	value = eq + 1;
	value_len = len - (size_t)(value - s);
	len = (size_t)(eq - s);
	trim(&s, &len);
	trim(&value, &value_len);
	if (!is_name(s, len)) {
		bad_line(r, (uint32_t)(s - line) + 1, "a line has no name of a sysctl before '='");
		return 0;
	}
	key = arena_strndup(&r->f->arena, s, len);
	copy = arena_strndup(&r->f->arena, value, value_len);
	if (!key || !copy)
		return -ENOMEM;
	r->taken++;
	return map_puts(&r->f->sysctl, key, copy);
}

static int each_line(struct sysctl_reader *r, const char *data, size_t size)
{
	const char *end = data + size;

	while (data < end) {
		const char *nl = memchr(data, '\n', (size_t)(end - data));
		int e;

		r->line++;
		e = take_line(r, data, (size_t)((nl ? nl : end) - data));
		if (e < 0)
			return e;
		data = nl ? nl + 1 : end;
	}
	return 0;
}

int read_sysctl(struct node_facts *f, const char *data, size_t size, const char *file, struct sd_notes *notes)
{
	struct sysctl_reader r = { .f = f, .file = file, .notes = notes };
	int e = data ? each_line(&r, data, size) : 0;

	if (e < 0)
		return e;
	if (r.bad > BAD_LINES_MAX)
		sd_note_add(notes, true, "bad-line", file, 0, 0, NULL, "'%s': %zu more lines are not 'name = value'",
			    file, r.bad - BAD_LINES_MAX);
	if (r.complaints)
		sd_note_add(notes, false, "not-readable", file, r.complaint_line, 1, "run 'sysctl -a' as root",
			    "'%s': sysctl could not read %zu of its keys", file, r.complaints);
	if (r.taken == 0) {
		sd_note_add(notes, true, "empty", file, 1, 0, "sysctl -a", "'%s' has no sysctl in it", file);
		return SD_EPARSE;
	}
	f->sysctl_known = true;
	return 0;
}
