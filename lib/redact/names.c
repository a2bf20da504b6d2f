/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names, word by word: "payments-db-0" is two words and a number. Each word becomes another one of its length, drawn by the key, that no
 * name of the cluster has. A word that is one letter from another (one more, one less, one other, two exchanged) becomes one that is as
 * far from what the other became: typing errors are found by that.
 */

#include <ctype.h>
#include <errno.h>

#include "redact-private.h"

#define WORD_MAX 63
#define DRAWS 200
#define SHORT_NUMBER 2 /* digits: ordinals */
#define LINK_MAX 15

struct redact_word {
	const char *from, *to; /* to: NULL while learning */
	uint32_t len;
};

static bool is_word_char(char c)
{
	return isalnum((unsigned char)c);
}

static size_t run_of(const char *s, size_t len, int (*is)(int))
{
	size_t n = 0;

	while (n < len && is((unsigned char)s[n]))
		n++;
	return n;
}

/* ---- words ---- */

static struct redact_word *learn_word(struct redact *r, const char *s, size_t len)
{
	char lower[WORD_MAX + 1];
	struct redact_word *w;

	for (size_t i = 0; i < len; i++)
		lower[i] = (char)tolower((unsigned char)s[i]);
	w = map_get(&r->words, lower, len);
	if (w || !r->learning)
		return w;
	w = arena_new(&r->arena, struct redact_word);
	if (w) {
		w->from = arena_strndup(&r->arena, lower, len);
		w->len = (uint32_t)len;
	}
	if (!w || !w->from || map_put(&r->words, w->from, len, w) < 0) {
		r->failed = true;
		return NULL;
	}
	return w;
}

static bool is_hex(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!isxdigit((unsigned char)s[i]) && s[i] != '-')
			return false;
	}
	return true;
}

/* A character of the kind of @c. */
static char draw_like(char c, uint64_t v, bool hex)
{
	static const char letters[] = "bcdfghjklmnpqrstvwxz", hexes[] = "abcdef";

	if (isdigit((unsigned char)c))
		return (char)('0' + v % 10);
	if (isalpha((unsigned char)c)) {
		char to = hex ? hexes[v % 6] : letters[v % 20];

		return isupper((unsigned char)c) ? (char)toupper((unsigned char)to) : to;
	}
	return strchr("-._:", c) && c ? c : 'x';
}

static char draw_letter(const struct redact *r, const char *from, uint32_t n, uint32_t i)
{
	static const char vowels[] = "aeiou", consonants[] = "bcdfghjklmnpqrstvwxz";
	uint8_t seed[WORD_MAX + 9];
	size_t len = strlen(from);
	uint64_t v;

	memcpy(seed, &n, 4);
	memcpy(seed + 4, &i, 4);
	memcpy(seed + 8, from, MIN(len, (size_t)WORD_MAX));
	v = redact_prf(r, "word", seed, 8 + MIN(len, (size_t)WORD_MAX));
	/* With digits it is a hash or a number, else a word. */
	if (from[strcspn(from, "0123456789")])
		return draw_like(i < len ? from[i] : '0', v, is_hex(from, len));
	return i % 2 ? vowels[v % 5] : consonants[v % 20];
}

static bool may_take(const struct redact *r, const char *word)
{
	size_t len = strlen(word);

	return !map_get(&r->words, word, len) && !map_get(&r->taken, word, len) && !redact_is_vocabulary(word, len) &&
	       !redact_is_protocol_word(word, len) && redact_kept_head(word, len) == 0;
}

/* Something among what came out already is one letter away: by chance, and to be avoided. */
static bool is_near_taken(const struct redact *r, const char *word)
{
	char less[WORD_MAX + 4];
	size_t len = strlen(word);

	if (map_get(&r->taken_near, word, len))
		return true;
	for (size_t i = 0; i < len; i++) {
		memcpy(less, word, i);
		memcpy(less + i, word + i + 1, len - i);
		if (map_get(&r->taken, less, len - 1) || map_get(&r->taken_near, less, len - 1))
			return true;
	}
	return false;
}

static int take(struct redact *r, struct redact_word *w, const char *to)
{
	char less[WORD_MAX + 4];
	size_t len = strlen(to);
	char *copy = arena_strdup(&r->arena, to);

	if (!copy || map_put(&r->taken, copy, len, w) < 0)
		return -ENOMEM;
	w->to = copy;
	for (size_t i = 0; len > 2 && i < len; i++) {
		memcpy(less, to, i);
		memcpy(less + i, to + i + 1, len - i);
		copy = arena_strndup(&r->arena, less, len - 1);
		if (!copy || map_put(&r->taken_near, copy, len - 1, w) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int draw(struct redact *r, struct redact_word *w)
{
	char to[WORD_MAX + 4];

	for (uint32_t n = 0;; n++) {
		/* All words of so few letters may be in use. */
		uint32_t len = w->len + MIN(n / DRAWS, 3u);

		for (uint32_t i = 0; i < len; i++)
			to[i] = draw_letter(r, w->from, n, i);
		to[len] = '\0';
		if (may_take(r, to) && (n % DRAWS > DRAWS / 2 || len < 4 || !is_near_taken(r, to)))
			return take(r, w, to);
		if (n > DRAWS * 100u)
			return -ENOMEM; /* words enough for everybody */
	}
}

/* How @w differs from @v, done to what became of @v. */
static bool derive(const struct redact *r, const struct redact_word *w, const struct redact_word *v, char *to)
{
	size_t tolen = strlen(v->to), i = 0;

	if (tolen != v->len || tolen + 1 > WORD_MAX)
		return false;
	while (i < w->len && i < v->len && w->from[i] == v->from[i])
		i++;
	for (uint32_t n = 0; n < DRAWS; n++) {
		char letter = draw_letter(r, w->from, n, n);

		memcpy(to, v->to, tolen + 1);
		if (w->len == v->len + 1) {
			memmove(to + i + 1, to + i, tolen - i + 1);
			to[i] = letter;
		} else if (w->len + 1 == v->len) {
			memmove(to + i, to + i + 1, tolen - i);
		} else if (i + 1 < w->len && w->from[i] == v->from[i + 1] && w->from[i + 1] == v->from[i]) {
			to[i] = v->to[i + 1];
			to[i + 1] = v->to[i];
		} else {
			to[i] = letter;
		}
		if (may_take(r, to) && edit_distance(to, v->to, 1) == 1)
			return true;
	}
	return false;
}

static bool is_neighbour(const struct redact_word *w, const struct redact_word *v)
{
	return v && v != w && v->to && edit_distance(w->from, v->from, 1) == 1;
}

/* A word that has its own already and is one letter from this one. */
static const struct redact_word *neighbour(const struct redact *r, const struct redact_word *w)
{
	char less[WORD_MAX + 1];
	const struct redact_word *v = map_get(&r->near, w->from, w->len);

	if (w->len < 2)
		return NULL;
	if (is_neighbour(w, v))
		return v;
	for (size_t i = 0; i < w->len; i++) {
		memcpy(less, w->from, i);
		memcpy(less + i, w->from + i + 1, w->len - i - 1);
		v = map_get(&r->near, less, w->len - 1);
		if (is_neighbour(w, v))
			return v;
		v = map_get(&r->words, less, w->len - 1);
		if (is_neighbour(w, v))
			return v;
	}
	return NULL;
}

static int index_near(struct redact *r, struct redact_word *w)
{
	char less[WORD_MAX + 1];

	for (size_t i = 0; w->len > 1 && i < w->len; i++) {
		char *key;

		memcpy(less, w->from, i);
		memcpy(less + i, w->from + i + 1, w->len - i - 1);
		if (map_get(&r->near, less, w->len - 1))
			continue;
		key = arena_strndup(&r->arena, less, w->len - 1);
		if (!key || map_put(&r->near, key, w->len - 1, w) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int compare_words(const void *a, const void *b)
{
	const struct redact_word *x = *(struct redact_word *const *)a, *y = *(struct redact_word *const *)b;

	return x->len != y->len ? (x->len < y->len ? -1 : 1) : strcmp(x->from, y->from);
}

static int draw_all(struct redact *r, struct redact_word **v, size_t n)
{
	char to[WORD_MAX + 4];
	int err = 0;

	for (size_t i = 0; err == 0 && i < n; i++) {
		const struct redact_word *near = neighbour(r, v[i]);

		err = near && derive(r, v[i], near, to) ? take(r, v[i], to) : draw(r, v[i]);
		if (err == 0)
			err = index_near(r, v[i]);
	}
	return err;
}

int redact_learned(struct redact *r)
{
	struct redact_word **v = calloc(r->words.len + 1, sizeof(*v));
	size_t n = 0;
	int err;

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < r->words.cap; i++) {
		if (r->words.v[i].value)
			v[n++] = r->words.v[i].value;
	}
	if (n > 0)
		qsort(v, n, sizeof(v[0]), compare_words);
	r->learning = false;
	err = r->failed ? -ENOMEM : draw_all(r, v, n);
	free(v);
	return err;
}

static void add_cased(struct strbuf *b, const struct redact_word *w, const char *s, size_t len)
{
	for (size_t i = 0; w->to[i]; i++)
		strbuf_addc(b, i < len && isupper((unsigned char)s[i]) ? (char)toupper((unsigned char)w->to[i]) : w->to[i]);
}

static void add_random(struct redact *r, struct strbuf *b, const char *s, size_t len);

static void add_word(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	const struct redact_word *w;

	if (len > WORD_MAX) {
		redact_add_opaque(r, b, s, len);
		return;
	}
	if (redact_is_protocol_word(s, len)) {
		strbuf_add(b, s, len);
		return;
	}
	w = learn_word(r, s, len);
	if (w && w->to)
		add_cased(b, w, s, len);
	else
		add_random(r, b, s, len); /* while learning */
}

/* What is no word: letters for letters and digits for digits, drawn for the whole of it. */
static void add_random(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	uint64_t whole = redact_prf(r, "opaque", s, len);

	for (size_t i = 0; i < len; i++) {
		uint64_t seed[2] = { whole, i };

		strbuf_addc(b, draw_like(s[i], redact_prf(r, "place", seed, sizeof(seed)), is_hex(s, len)));
	}
}

void redact_add_opaque(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	const struct redact_word *w = NULL;

	if (len > 0 && len <= WORD_MAX && run_of(s, len, isalnum) == len)
		w = learn_word(r, s, len);
	if (w && w->to)
		add_cased(b, w, s, len);
	else
		add_random(r, b, s, len);
}

/* ---- names ---- */

/* Three numbers and more in a row are an address, as in ip-10-0-3-17. */
static bool in_address(const char *s, size_t len, size_t at, size_t n)
{
	size_t from = at, to = at + n, numbers = 1;

	while (from > 1 && (s[from - 1] == '-' || s[from - 1] == '.') && isdigit((unsigned char)s[from - 2])) {
		size_t k = from - 1;

		while (k > 0 && isdigit((unsigned char)s[k - 1]))
			k--;
		if (k > 0 && isalpha((unsigned char)s[k - 1]))
			break;
		from = k;
		numbers++;
	}
	while (to + 1 < len && (s[to] == '-' || s[to] == '.') && isdigit((unsigned char)s[to + 1])) {
		size_t k = to + 1 + run_of(s + to + 1, len - to - 1, isdigit);

		if (k < len && isalpha((unsigned char)s[k]))
			break;
		to = k;
		numbers++;
	}
	return numbers >= 3;
}

static void add_number(struct redact *r, struct strbuf *b, const char *s, size_t len, size_t at, size_t n)
{
	if (n <= SHORT_NUMBER && !in_address(s, len, at, n))
		strbuf_add(b, s + at, n);
	else
		redact_add_opaque(r, b, s + at, n);
}

/* Letters and digits without anything between: "web", "node12", "96d5df5c8". */
static void add_run(struct redact *r, struct strbuf *b, const char *s, size_t len, size_t at, size_t n)
{
	size_t letters = run_of(s + at, n, isalpha), digits = run_of(s + at + letters, n - letters, isdigit);

	if (letters == 0 && digits == n) {
		add_number(r, b, s, len, at, n);
	} else if (letters + digits == n) {
		add_word(r, b, s + at, letters);
		if (digits > 0)
			add_number(r, b, s, len, at + letters, digits);
	} else {
		redact_add_opaque(r, b, s + at, n);
	}
}

static void add_parts(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t n = 0;

		while (at + n < len && is_word_char(s[at + n]))
			n++;
		if (n > 0)
			add_run(r, b, s, len, at, n);
		else if ((unsigned char)s[at] < 0x80)
			strbuf_addc(b, s[at]);
		else
			strbuf_addc(b, 'x');
		at += MAX(n, (size_t)1);
	}
}

void redact_add_name(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	size_t head = redact_kept_head(s, len), tail = head == len ? 0 : redact_kept_tail(s + head, len - head);

	if (head == 0 && redact_add_address(r, b, s, len))
		return;
	strbuf_add(b, s, head);
	add_parts(r, b, s + head, len - head - tail);
	strbuf_add(b, s + len - tail, tail);
}

void redact_learn_whole(struct redact *r, const char *s, size_t len)
{
	char *copy;

	if (!r->learning || len == 0 || redact_kept_head(s, len) == len || map_get(&r->names, s, len))
		return;
	copy = arena_strndup(&r->arena, s, len);
	if (!copy || map_put(&r->names, copy, len, copy) < 0)
		r->failed = true;
}

void redact_add_key(struct redact *r, struct strbuf *b, const char *s)
{
	if (redact_is_kept_label(s))
		strbuf_adds(b, s);
	else if (str_starts(s, "node-role.kubernetes.io/")) {
		strbuf_add(b, s, 24);
		redact_adds_name(r, b, s + 24);
	} else {
		redact_adds_name(r, b, s);
	}
}

/* ---- links ---- */

/* What drivers, container runtimes and networks call their links. */
static const char *const link_heads[] = {
	"antrea-gw",  "azure",	"bond",	   "bpfin.cali", "bpfout.cali", "br-int", "cilium_host", "cilium_net", "cilium_vxlan", "cni-podman", "cni",   "docker",
	"dummy",      "ens",	"enp",	   "eno",	 "eth",		"flannel", "genev_sys_",  "geneve",	"ifb",		"ip6tnl",     "kube-bridge", "kube-dummy-if",
	"kube-ipvs",  "lo",	"lxc",	   "nodelocaldns", "ovn-k8s-mp", "ovs-system", "podman",  "sit",	"tailscale",	"tap",	      "tun",   "tunl",
	"usb",	      "veth",	"virbr",   "vlan",	 "vxlan.calico", "vxlan", "weave",	  "wg",		"wlan",		"wlp",	      "cali",
};

void redact_add_link(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	struct strbuf out CLEANUP(strbuf_release) = STRBUF_INIT;
	size_t kept = 0, digits;

	for (size_t i = 0; i < ARRAY_LEN(link_heads); i++) {
		size_t n = strlen(link_heads[i]);

		if (n <= len && n > kept && memcmp(link_heads[i], s, n) == 0)
			kept = n;
	}
	digits = run_of(s + kept, len - kept, isdigit);
	/* "eth0", "enp0s3", "br-int", "eth0.100", "veth+" */
	if (kept > 0 && (kept + digits == len || (len - kept <= 6 && strspn(s + kept, "0123456789sfdpnu.+@") >= len - kept))) {
		strbuf_add(b, s, len);
		return;
	}
	strbuf_add(&out, s, kept);
	if (kept > 0)
		redact_add_opaque(r, &out, s + kept, len - kept);
	else
		add_parts(r, &out, s, len);
	strbuf_add(b, strbuf_str(&out), MIN(out.len, (size_t)LINK_MAX));
	r->failed |= out.failed;
}
