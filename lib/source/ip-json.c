/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the readers of iproute2's JSON share: taking the elements one by one, notes about what cannot be used, and the
 * forms that values have with and without `ip -N`. ip-addr.c, ip-route.c, ip-rule.c and ip-neigh.c stand on it.
 */
#include <errno.h>

#include "ip-json-private.h"

struct taker {
	struct ip_reader *r;
	ip_item_fn fn;
};

static int take_item(void *arg, struct json_t *item, const char *kind, const char *api_version, uint32_t line)
{
	const struct taker *t = arg;

	(void)kind;
	(void)api_version;
	t->r->line = line;
	if (json_object_size(item) == 0)
		return 0;
	if (t->r->taken++ >= IP_ITEMS_MAX) {
		sd_note_add(t->r->notes, true, "too-large", t->r->file, line, 0, NULL,
			    "'%s' has more than %u elements, the rest is not read", t->r->file, IP_ITEMS_MAX);
		return SD_ELIMIT;
	}
	return t->fn(t->r, item);
}

int ip_each(struct ip_reader *r, const char *data, size_t size, ip_item_fn fn)
{
	struct taker t = { r, fn };
	ssize_t n = json_each_item(data, size, r->file, r->notes, take_item, &t);

	if (n >= 0 || n == SD_ELIMIT)
		return 0;
	return (int)n;
}

void ip_bad(struct ip_reader *r, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (r->bad++ > IP_NOTES_MAX)
		return;
	if (r->bad > IP_NOTES_MAX) {
		sd_note_add(r->notes, true, "bad-value", r->file, r->line, 0, NULL,
			    "'%s' has more values that cannot be read", r->file);
		return;
	}
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sd_note_add(r->notes, true, "bad-value", r->file, r->line, 0, NULL, "%s", text);
}

int ip_copy(struct ip_reader *r, const json_t *o, const char *key, const char **ret)
{
	const char *s = json_str(o, key);

	*ret = s ? arena_strdup(&r->f->arena, s) : NULL;
	return s && !*ret ? -ENOMEM : 0;
}

int ip_address(struct ip_reader *r, const json_t *o, const char *key, struct ip_addr *ret)
{
	const json_t *v = json_object_get(o, key);

	if (!v)
		return 0;
	if (json_is_string(v) && ip_addr_parse(json_string_value(v), ret) == 0)
		return 1;
	ip_bad(r, "'%s' is not an address: '%s'", key, json_is_string(v) ? json_string_value(v) : "?");
	return SD_EPARSE;
}

bool ip_flag(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return v && !json_is_false(v) && !(json_is_integer(v) && json_integer_value(v) == 0);
}

int ip_tri(const json_t *o, const char *key)
{
	return json_object_get(o, key) ? ip_flag(o, key) : -1;
}

bool ip_has_word(const json_t *o, const char *key, const char *word)
{
	const json_t *a = json_arr(o, key);
	const json_t *v;
	size_t i;

	json_array_foreach(a, i, v) {
		if (json_is_string(v) && strcmp(json_string_value(v), word) == 0)
			return true;
	}
	return false;
}

static bool number_of(const json_t *v, uint32_t *ret)
{
	uint64_t n;

	if (json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= UINT32_MAX) {
		*ret = (uint32_t)json_integer_value(v);
		return true;
	}
	if (!json_is_string(v) || parse_uint(json_string_value(v), json_string_length(v), UINT32_MAX, &n) < 0)
		return false;
	*ret = (uint32_t)n;
	return true;
}

bool ip_number(struct ip_reader *r, const json_t *o, const char *key, uint32_t fallback, uint32_t *ret)
{
	const json_t *v = json_object_get(o, key);

	*ret = fallback;
	if (!v || number_of(v, ret))
		return true;
	ip_bad(r, "'%s' is not a number", key);
	return false;
}

uint32_t ip_table(const json_t *o, uint32_t fallback)
{
	const json_t *v = json_object_get(o, "table");
	const char *s = json_string_value(v);
	uint32_t n;

	if (!v)
		return fallback;
	if (number_of(v, &n))
		return n;
	if (!s)
		return fallback;
	if (strcmp(s, "local") == 0)
		return 255;
	if (strcmp(s, "main") == 0)
		return 254;
	if (strcmp(s, "default") == 0)
		return 253;
	if (strcmp(s, "unspec") == 0)
		return 0;
	/*
	 * A name from that machine's rt_tables, whose number is not shown: a number of our own, the same for rules
	 * and routes.
	 */
	return 0x80000000u | hash_bytes(s, strlen(s));
}

uint8_t ip_scope(const json_t *o, uint8_t fallback)
{
	static const struct {
		const char *name;
		uint8_t scope;
	} table[] = {
		{ "global", SCOPE_GLOBAL }, { "universe", SCOPE_GLOBAL }, { "site", SCOPE_SITE }, 
		{ "link", SCOPE_LINK }, { "host", SCOPE_HOST }, { "nowhere", SCOPE_NOWHERE },
	};
	const json_t *v = json_object_get(o, "scope");
	const char *s = json_string_value(v);
	uint32_t n;

	if (v && number_of(v, &n) && n <= UINT8_MAX)
		return (uint8_t)n;
	for (size_t i = 0; s && i < ARRAY_LEN(table); i++) {
		if (strcmp(table[i].name, s) == 0)
			return table[i].scope;
	}
	return fallback;
}
