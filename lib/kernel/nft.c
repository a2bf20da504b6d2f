/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_nft: all of nf_tables, of one generation. What one half shows in the words of iptables the other half leaves out; whatever was
 * changed meanwhile is read again from the beginning.
 */
#include <errno.h>
#include <time.h>

#include "nft-dump-private.h"
#include "nft-private.h"

#define TRIES 5u
#define PAUSE_MS 40u /* after the first one; then twice as long each time */

struct texts {
	struct kernel_text *save4, *save6, *json;
};

/* One reading. -EINTR: the ruleset changed. */
static int read_all(struct nft_sock *s, const struct texts *t)
{
	CLEANUP(nft_dump_release) struct nft_dump d = { 0 };
	uint32_t before = 0, after = 0;
	int r = nft_generation(s, &before);

	if (r == 0)
		r = nft_dump_load(&d, s);
	if (r == 0)
		r = nft_save(&d, false, t->save4);
	if (r == 0)
		r = nft_save(&d, true, t->save6);
	if (r == 0)
		r = nft_json(&d, s, t->json);
	if (r == 0 && d.damaged && !t->json->partial) {
		t->json->partial = true;
		(void)snprintf(t->json->why, sizeof(t->json->why), "a table, chain or set cannot be read");
	}
	/* What failed because a chain was gone is no failure. */
	if (r != -ENOMEM && r != -EPERM && nft_generation(s, &after) == 0 && after != before)
		return -EINTR;
	return r;
}

static void pause_before(unsigned attempt)
{
	const unsigned ms = PAUSE_MS << attempt;
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	(void)nanosleep(&t, NULL);
}

static void start_again(const struct texts *t)
{
	struct kernel_text *const all[] = { t->save4, t->save6, t->json };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		kernel_text_release(all[i]);
}

static int read_until_whole(const struct texts *t)
{
	int r = -EINTR;

	for (unsigned i = 0; i < TRIES && (r == -EINTR || r == -ENOBUFS); i++) {
		CLEANUP(nft_sock_close) struct nft_sock s = NFT_SOCK_INIT;

		if (i)
			pause_before(i - 1);
		start_again(t);
		r = nft_sock_open(&s);
		if (r == 0)
			r = read_all(&s, t);
	}
	return r;
}

/* How it ended, of one text. */
static int end(struct kernel_text *t, int r)
{
	char why[sizeof(t->why)] = "";

	if (t->partial)
		(void)snprintf(why, sizeof(why), "%s", t->why);
	if (r == -EINTR)
		return kernel_text_end(t, KERNEL_CHANGED, "the ruleset changed during each of %u readings", TRIES);
	if (r == 0)
		return kernel_text_end(t, KERNEL_READ, "%s", why);
	t->partial = false;
	return kernel_text_errno(t, r, "CAP_NET_ADMIN", "nf_tables");
}

int kernel_nft(struct kernel_text *ret_save4, struct kernel_text *ret_save6, struct kernel_text *ret_json)
{
	struct kernel_text unused[3] = { 0 };
	const struct texts t = { ret_save4 ? ret_save4 : &unused[0], ret_save6 ? ret_save6 : &unused[1], ret_json ? ret_json : &unused[2] };
	struct kernel_text *const all[] = { t.save4, t.save6, t.json };
	bool here = nft_is_here();
	int r = here ? read_until_whole(&t) : 0;

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		int e = here ? end(all[i], r) : kernel_text_end(all[i], KERNEL_ABSENT, "the kernel has no nf_tables, or it is not loaded");

		r = e == -ENOMEM ? e : r;
	}
	for (size_t i = 0; i < ARRAY_LEN(unused); i++)
		kernel_text_release(&unused[i]);
	return r == -ENOMEM ? r : 0;
}
