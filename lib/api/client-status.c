/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a server's own error says: a Status object of the API, or a line of text of something that stands before it. */
#include <jansson.h>

#include "client-private.h"

#define STATUS_MAX (64u << 10)

static void copy(char *out, size_t size, const char *s)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	size_t n;

	strbuf_add_clean(&b, s);
	n = b.len;
	while (n > 0 && (b.s[n - 1] == ' ' || b.s[n - 1] == '.'))
		n--;
	if (n >= size) {
		n = size - strlen("...") - 1;
		while (n > 0 && ((unsigned char)b.s[n] & 0xc0) == 0x80) /* not inside a character */
			n--;
		(void)snprintf(out, size, "%.*s...", (int)n, b.s);
		return;
	}
	(void)snprintf(out, size, "%.*s", (int)n, strbuf_str(&b));
}

/* The first line of a text that is no web page. */
static void read_text(const char *data, size_t size, struct status_text *ret)
{
	CLEANUP(strbuf_release) struct strbuf line = STRBUF_INIT;
	size_t n = 0;

	while (size > 0 && (*data == ' ' || *data == '\n' || *data == '\r' || *data == '\t')) {
		data++;
		size--;
	}
	while (n < size && n < 1000 && data[n] != '\n' && data[n] != '\r' && data[n] != '\0')
		n++;
	if (n == 0 || *data == '<' || *data == '{' || *data == '[')
		return;
	strbuf_add(&line, data, n);
	copy(ret->message, sizeof(ret->message), strbuf_str(&line));
}

void status_read(const char *data, size_t size, struct status_text *ret)
{
	json_t *o = data && size <= STATUS_MAX ? json_loadb(data, size, 0, NULL) : NULL;
	const char *message, *reason, *name;

	*ret = (struct status_text){ .is_status = o && str_is(json_str(o, "kind"), "Status") };
	if (!ret->is_status) {
		json_decref(o);
		if (data)
			read_text(data, size, ret);
		return;
	}
	message = json_str(o, "message");
	reason = json_str(o, "reason");
	name = json_str(json_obj(o, "details"), "name");
	ret->names_object = name && *name;
	copy(ret->message, sizeof(ret->message), message ? message : "");
	copy(ret->reason, sizeof(ret->reason), reason ? reason : "");
	json_decref(o);
}

enum api_outcome status_not_found(const struct status_text *s, bool behind)
{
	if (s->is_status ? s->names_object : behind)
		return API_NOT_FOUND;
	return API_NO_KIND;
}
