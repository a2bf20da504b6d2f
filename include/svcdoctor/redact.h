/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_REDACT_H
#define SVCDOCTOR_REDACT_H

/*
 * Makes a bundle that can be shown to others: names and addresses are replaced, alike in all its files, by a key that is thrown away,
 * and what the replaced ones are hashed into (kube-proxy's chains) is computed anew, so that the diagnosis stays the same but for names.
 *
 * What goes through is listed: files, fields, words. What is not known to be harmless is replaced or left out.
 *
 * What stays true of what is replaced:
 *  - Equal stays equal, different stays different, in all files.
 *  - A name keeps its form: the lengths of its words, its separators, numbers of one or two digits. Words that are one letter, or a pair
 *    of exchanged ones, apart stay so, for that is what a typing error is. Names of Kubernetes itself and of well-known components stay.
 *  - Two addresses that share their first n bits share exactly n bits afterwards. Private, shared, loopback, link-local, multicast and
 *    unique local ranges stay within themselves; in the private ranges of IPv4 the last byte stays, and with it which address is a
 *    network's first.
 *  - Ports, protocols, times, counters, states stay.
 */

#include <svcdoctor/base.h>

struct redact;
/* @key: 16 bytes; NULL: a fresh one. 0, -ENOMEM, -EIO. */
int redact_new(const uint8_t *key, struct redact **ret);
void redact_free(struct redact *r);
/*
 * Twice over all files of the bundle: first redact_learn, which finds out what names there are, then, after redact_learned, redact_file,
 * which gives the new contents. @path as in the bundle: "nodes/node1/ip-addr.json". @data is NUL-terminated behind @size.
 */
int redact_learn(struct redact *r, const char *path, const char *data, size_t size);
int redact_learned(struct redact *r);
/* 1: @ret_path and @ret are appended to; 0: a file that is left out; -ENOMEM. */
int redact_file(struct redact *r, const char *path, const char *data, size_t size, struct strbuf *ret_path, struct strbuf *ret);

/* For tests: of one address, one name, one text. redact_learned must have been called. */
void redact_addr(const struct redact *r, const struct ip_addr *a, struct ip_addr *ret);
int redact_name(struct redact *r, const char *name, struct strbuf *ret);
int redact_text(struct redact *r, const char *text, struct strbuf *ret);

#endif
