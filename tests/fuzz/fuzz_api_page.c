/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a server may send: any bytes as a page of a list, as an error's body, as a Retry-After, as a certificate. A page that is good JSON must
 * be seen as jansson sees it.
 */
#include <jansson.h>

#include "lib/api/client-private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count(const char *s, size_t size, char c)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i++)
		n += s[i] == c;
	return n;
}

static void must(bool ok)
{
	if (!ok)
		abort();
}

static const char *plain(const char *s)
{
	return s && *s ? s : NULL;
}

/* Where both see a page, they see the same: escaped names of members and deep nesting are not what a server of the API sends. */
static void compare(const char *text, size_t size, int r, const struct page_head *h)
{
	json_t *o = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	const char *kind = plain(json_str(o, "kind")), *token = plain(json_str(json_obj(o, "metadata"), "continue"));
	const json_t *items = json_object_get(o, "items");

	if (json_is_object(o) && count(text, size, '\\') == 0 && count(text, size, '{') + count(text, size, '[') < 500 && r != SD_ELIMIT) {
		must(r == 0);
		must(h->items == (json_is_array(items) || json_is_null(items)));
		must(kind && strlen(kind) < sizeof(h->kind) ? strcmp(h->kind, kind) == 0 : !h->kind[0]);
		must(token ? h->token && strcmp(h->token, token) == 0 : !h->token);
	}
	json_decref(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct page_head h = { .items = false };
	struct status_text s;
	struct server_url u;
	struct api_pem pem = { .data = text, .size = size };
	int64_t t;
	int r;

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	r = page_head_read((const char *)data, size, &h);
	compare(text, size, r, &h);
	if (r == 0 && str_ends(h.kind, "List"))
		(void)page_kind_fits(h.kind, "networkpolicies");
	page_head_release(&h);
	status_read(text, size, &s);
	(void)status_not_found(&s, false);
	(void)retry_after_parse(text, 0);
	(void)server_url_parse(text, &u);
	(void)cert_not_after(&pem, &t);
	free(text);
	return 0;
}
