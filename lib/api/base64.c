/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Base64 of RFC 4648, section 4, as Go's encoding/base64.StdEncoding takes it: padding is needed, line ends do not count. */
#include <errno.h>

#include "kubeconfig-private.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit_of(char c)
{
	const char *p = c ? strchr(alphabet, c) : NULL;

	return p ? (int)(p - alphabet) : -1;
}

int base64_decode(struct arena *arena, const char *s, size_t len, struct kc_data *ret)
{
	char *out = arena_alloc(arena, len / 4 * 3 + 4);
	size_t n = 0, digits = 0, padding = 0;
	uint32_t bits = 0;

	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++) {
		int d = digit_of(s[i]);

		if (s[i] == '\n' || s[i] == '\r')
			continue;
		if (s[i] == '=' && digits % 4 + padding >= 2 && digits % 4 + padding < 4 && digits % 4 != 0) {
			padding++;
			continue;
		}
		if (d < 0 || padding > 0)
			return SD_EPARSE;
		bits = bits << 6 | (uint32_t)d;
		if (digits++ % 4 > 0)
			out[n++] = (char)(bits >> (6 - 2 * ((digits - 1) % 4)));
	}
	if (digits % 4 != 0 && digits % 4 + padding != 4)
		return SD_EPARSE;
	out[n] = '\0';
	*ret = (struct kc_data){ out, n };
	return 0;
}

void base64_encode(struct strbuf *b, const char *data, size_t size)
{
	const unsigned char *p = (const unsigned char *)data;

	for (size_t i = 0; i < size; i += 3) {
		size_t left = size - i;
		uint32_t bits = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);

		strbuf_addc(b, alphabet[bits >> 18]);
		strbuf_addc(b, alphabet[bits >> 12 & 63]);
		strbuf_addc(b, left > 1 ? alphabet[bits >> 6 & 63] : '=');
		strbuf_addc(b, left > 2 ? alphabet[bits & 63] : '=');
	}
}
