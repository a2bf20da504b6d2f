/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012) over a domain and a text, with the key of this run. */

#include "redact-private.h"

struct sip {
	uint64_t v0, v1, v2, v3, tail;
	size_t len;
};

static uint64_t rotate(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static void rounds(struct sip *s, unsigned n)
{
	while (n--) {
		s->v0 += s->v1;
		s->v1 = rotate(s->v1, 13) ^ s->v0;
		s->v0 = rotate(s->v0, 32);
		s->v2 += s->v3;
		s->v3 = rotate(s->v3, 16) ^ s->v2;
		s->v0 += s->v3;
		s->v3 = rotate(s->v3, 21) ^ s->v0;
		s->v2 += s->v1;
		s->v1 = rotate(s->v1, 17) ^ s->v2;
		s->v2 = rotate(s->v2, 32);
	}
}

static void word(struct sip *s, uint64_t m)
{
	s->v3 ^= m;
	rounds(s, 2);
	s->v0 ^= m;
}

static void add(struct sip *s, const uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		s->tail |= (uint64_t)p[i] << (s->len++ % 8 * 8);
		if (s->len % 8 == 0) {
			word(s, s->tail);
			s->tail = 0;
		}
	}
}

static uint64_t little(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

uint64_t redact_prf(const struct redact *r, const char *domain, const void *data, size_t size)
{
	const uint64_t k0 = little(r->key), k1 = little(r->key + 8);
	struct sip s = { k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u, 0, 0 };

	add(&s, (const uint8_t *)domain, strlen(domain) + 1); /* its NUL parts it from the text */
	add(&s, data, size);
	word(&s, s.tail | (uint64_t)s.len << 56);
	s.v2 ^= 0xff;
	rounds(&s, 4);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
