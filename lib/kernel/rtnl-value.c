/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values of rtnetlink's attributes as iproute2 prints them: numbers, addresses, and the names of /etc/iproute2 (lib/rt_names.c there). */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>

#include "rtnl-private.h"

#define FILE_MAX_SIZE (1u << 20)
#define NAMES_MAX 65536u

/* ---- names ---- */

struct known_name {
	uint32_t id;
	const char *name;
};
static const struct known_name tables[] = { { RT_TABLE_DEFAULT, "default" }, { RT_TABLE_MAIN, "main" }, { RT_TABLE_LOCAL, "local" } };
static const struct known_name protocols[] = {
	{ RTPROT_UNSPEC, "unspec" }, { RTPROT_REDIRECT, "redirect" }, { RTPROT_KERNEL, "kernel" }, { RTPROT_BOOT, "boot" },
	{ RTPROT_STATIC, "static" }, { RTPROT_GATED, "gated" }, { RTPROT_RA, "ra" }, { RTPROT_MRT, "mrt" }, { RTPROT_ZEBRA, "zebra" },
	{ RTPROT_BIRD, "bird" }, { RTPROT_BABEL, "babel" }, { RTPROT_DNROUTED, "dnrouted" }, { RTPROT_XORP, "xorp" }, { RTPROT_NTK, "ntk" },
	{ RTPROT_DHCP, "dhcp" }, { RTPROT_KEEPALIVED, "keepalived" }, { RTPROT_BGP, "bgp" }, { RTPROT_ISIS, "isis" }, { RTPROT_OSPF, "ospf" },
	{ RTPROT_RIP, "rip" }, { RTPROT_EIGRP, "eigrp" },
};
static const struct known_name scopes[] = {
	{ RT_SCOPE_UNIVERSE, "global" }, { RT_SCOPE_NOWHERE, "nowhere" }, { RT_SCOPE_HOST, "host" }, { RT_SCOPE_LINK, "link" },
	{ RT_SCOPE_SITE, "site" },
};
static const struct known_name realms[] = { { 0, "unknown" } };
static const struct known_name dsfields[] = { { 0, "0" } };
static const struct known_name groups[] = { { 0, "default" } };

#define LIST(a) (a), ARRAY_LEN(a)
static const struct names_of {
	const char *file;
	const struct known_name *known;
	size_t nknown;
	bool folder; /* FILE.d/NAME.conf, too */
} names_of[NAMES_COUNT] = {
	[NAMES_TABLE] = { "rt_tables", LIST(tables), true },   [NAMES_PROTOCOL] = { "rt_protos", LIST(protocols), true },
	[NAMES_SCOPE] = { "rt_scopes", LIST(scopes), false },  [NAMES_REALM] = { "rt_realms", LIST(realms), false },
	[NAMES_DSFIELD] = { "rt_dsfield", LIST(dsfields), false }, [NAMES_GROUP] = { "group", LIST(groups), false },
};

/* "254 main", "0x2 name # why" */
static int take_line(struct rtnl_reading *r, enum rtnl_names which, const char *s, size_t len)
{
	struct rtnl_name n = { 0 };
	size_t at = 0, word;
	uint64_t id;

	while (at < len && (s[at] == ' ' || s[at] == '\t'))
		at++;
	for (word = at; word < len && s[word] != ' ' && s[word] != '\t';)
		word++;
	if (parse_uint(s + at, word - at, UINT32_MAX, &id) < 0 || r->names[which].len >= NAMES_MAX)
		return 0;
	for (at = word; at < len && (s[at] == ' ' || s[at] == '\t');)
		at++;
	for (word = at; word < len && s[word] != ' ' && s[word] != '\t' && s[word] != '\r';)
		word++;
	if (word == at || s[at] == '#')
		return 0;
	n.id = (uint32_t)id;
	n.name = strndup(s + at, word - at);
	if (n.name && array_push(&r->names[which], n) == 0)
		return 0;
	free(n.name);
	return -ENOMEM;
}

static int take_file(struct rtnl_reading *r, enum rtnl_names which, int folder, const char *path)
{
	char *data = NULL;
	size_t size = 0;
	int e = file_read_at(folder, path, FILE_MAX_SIZE, &data, &size);

	if (e < 0)
		return e == -ENOMEM ? e : 1; /* nobody needs the names */
	for (size_t at = 0; e == 0 && at < size;) {
		const char *nl = memchr(data + at, '\n', size - at);
		const size_t len = nl ? (size_t)(nl - (data + at)) : size - at;

		e = take_line(r, which, data + at, len);
		at += len + 1;
	}
	free(data);
	return e;
}

static int take_folder(struct rtnl_reading *r, enum rtnl_names which, const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *entry;
	int e = 0;

	if (!d)
		return 0;
	while (e >= 0 && (entry = readdir(d))) {
		if (entry->d_name[0] != '.' && strlen(entry->d_name) > 5 && str_ends(entry->d_name, ".conf"))
			e = take_file(r, which, dirfd(d), entry->d_name);
	}
	(void)closedir(d);
	return e < 0 ? e : 0;
}

/* /etc holds what was changed, and with old iproute2 all; new ones bring theirs below /usr. */
static int read_names(struct rtnl_reading *r, enum rtnl_names which)
{
	static const char *const folders[] = { "/etc/iproute2", "/usr/share/iproute2", "/usr/lib/iproute2" };
	int e = 1;

	for (size_t i = 0; e > 0 && i < ARRAY_LEN(folders); i++) {
		char path[80];

		(void)snprintf(path, sizeof(path), "%s/%s", folders[i], names_of[which].file);
		e = take_file(r, which, AT_FDCWD, path);
	}
	for (size_t i = 0; e >= 0 && names_of[which].folder && i < ARRAY_LEN(folders); i++) {
		char path[80];

		(void)snprintf(path, sizeof(path), "%s/%s.d", folders[i], names_of[which].file);
		e = take_folder(r, which, path);
	}
	return e < 0 ? e : 0;
}

static const char *known_name(enum rtnl_names which, uint32_t id)
{
	for (size_t i = 0; i < names_of[which].nknown; i++) {
		if (names_of[which].known[i].id == id)
			return names_of[which].known[i].name;
	}
	return NULL;
}

static const char *find_name(struct rtnl_reading *r, enum rtnl_names which, uint32_t id)
{
	const char *known = known_name(which, id);

	if (known)
		return known;
	if (!r->names_read[which]) {
		const int e = read_names(r, which);

		r->names_read[which] = true;
		r->result = e < 0 ? e : r->result;
	}
	for (size_t i = r->names[which].len; i-- > 0;) {
		if (r->names[which].v[i].id == id)
			return r->names[which].v[i].name;
	}
	return NULL;
}

void jo_name(struct rtnl_reading *r, const char *key, enum rtnl_names which, uint32_t id)
{
	const char *name = find_name(r, which, id);

	if (name)
		jo_str(&r->out, key, name);
	else if (which == NAMES_DSFIELD)
		jo_strf(&r->out, key, "0x%02x", id);
	else
		jo_strf(&r->out, key, "%u", id);
}

/* ---- values ---- */

static bool is_number(const struct nlattr *a)
{
	const size_t size = rtnl_size(a);

	return size == 1 || size == 2 || size == 4 || size == 8;
}

/* Is it there, and a number? What is there and none is noted. */
static bool has_number(struct rtnl_reading *r, const struct nlattr *a)
{
	r->odd |= a && !is_number(a);
	return a && is_number(a);
}

void jo_num_attr(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	if (has_number(r, a))
		jo_uint(&r->out, key, rtnl_num(a, 0));
}

void jo_flag_attr(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	if (has_number(r, a))
		jo_bool(&r->out, key, rtnl_num(a, 0) != 0);
}

void jo_text_attr(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	if (a)
		jo_strn(&r->out, key, rtnl_data(a), strnlen(rtnl_data(a), rtnl_size(a)));
}

bool rtnl_addr(int family, const void *data, size_t size, struct ip_addr *ret)
{
	struct ip_addr a = { .family = (uint8_t)family };

	if ((family != AF_INET && family != AF_INET6) || size != ip_addr_size(&a))
		return false;
	memcpy(a.b, data, size);
	*ret = a;
	return true;
}

void jo_addr_attr(struct rtnl_reading *r, const char *key, int family, const struct nlattr *a)
{
	char text[INET6_ADDRSTRLEN];
	struct ip_addr addr;

	if (!a)
		return;
	if (rtnl_addr(family, rtnl_data(a), rtnl_size(a), &addr))
		jo_str(&r->out, key, inet_ntop(family, addr.b, text, sizeof(text)));
	else
		r->odd = true;
}

/* Tunnels have addresses of IP for their own. */
static int family_of_lladdr(size_t size, uint16_t type)
{
	if (size == 4 && (type == ARPHRD_TUNNEL || type == ARPHRD_SIT || type == ARPHRD_IPGRE))
		return AF_INET;
	return size == 16 && (type == ARPHRD_TUNNEL6 || type == ARPHRD_IP6GRE) ? AF_INET6 : 0;
}

void jo_lladdr_attr(struct rtnl_reading *r, const char *key, const struct nlattr *a, uint16_t type)
{
	static const char digits[] = "0123456789abcdef";
	const size_t size = MIN(rtnl_size(a), 32u); /* MAX_ADDR_LEN */
	const unsigned char *from;
	char text[32 * 3];

	if (!a || size == 0)
		return;
	if (family_of_lladdr(size, type)) {
		jo_addr_attr(r, key, family_of_lladdr(size, type), a);
		return;
	}
	from = rtnl_data(a);
	for (size_t i = 0; i < size; i++) {
		text[3 * i] = digits[from[i] >> 4];
		text[3 * i + 1] = digits[from[i] & 15];
		text[3 * i + 2] = ':';
	}
	jo_strn(&r->out, key, text, 3 * size - 1);
}
