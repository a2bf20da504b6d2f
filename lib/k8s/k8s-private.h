/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_K8S_PRIVATE_H
#define SVCDOCTOR_K8S_PRIVATE_H

/* What the decoders of lib/k8s share: the object at hand and access to its members by type. */

#include <jansson.h>

#include <svcdoctor/k8s.h>

#define AFFINITY_TIMEOUT_DEFAULT 10800 /* k8s.io/api/core/v1 DefaultClientIPServiceAffinitySeconds */
#define APPLIED_ANNOTATION "kubectl.kubernetes.io/last-applied-configuration"
#define K8S_NAME_MAX 253 /* RFC 1123 subdomain, the longest name that the API accepts */

/*
 * The object that is being decoded. The first member of a wrong type is recorded as a note and sets err; what
 * comes after it is decoded all the same, and the object is dropped at the end.
 */
struct k8s_dec {
	struct k8s_cluster *c;
	struct sd_notes *notes;
	const char *file;
	uint32_t line;
	const char *kind, *ns, *name;
	const char *where; /* path of the object whose members are read, "spec" */
	int err;
};

/*
 * Strict access: absent and null give the default, another type than asked for is recorded.
 * Strings are copied to the arena, dec_name's are interned.
 */
const char *dec_str(struct k8s_dec *d, const json_t *o, const char *key);
const char *dec_name(struct k8s_dec *d, const json_t *o, const char *key);
json_t *dec_obj(struct k8s_dec *d, const json_t *o, const char *key);
json_t *dec_arr(struct k8s_dec *d, const json_t *o, const char *key); /* of objects */
int64_t dec_int(struct k8s_dec *d, const json_t *o, const char *key, int64_t min, int64_t max, int64_t def);
bool dec_bool(struct k8s_dec *d, const json_t *o, const char *key);
uint8_t dec_proto(struct k8s_dec *d, const json_t *o); /* member "protocol", TCP by default */
struct k8s_target_port dec_target(struct k8s_dec *d, const json_t *o, const char *key);
struct k8s_labels dec_labels(struct k8s_dec *d, const json_t *o, const char *key);
/* Array of strings. The second one is for those that hardly come twice, and does not intern them. */
const char *const *dec_strs(struct k8s_dec *d, const json_t *o, const char *key, size_t *ret_len);
const char *const *dec_rare_strs(struct k8s_dec *d, const json_t *o, const char *key, size_t *ret_len);
/* Array of addresses; "" and "None" are left out, what does not parse is left out with a note. */
const struct ip_addr *dec_ips(struct k8s_dec *d, const json_t *o, const char *key, size_t *ret_len);
const struct ip_prefix *dec_cidrs(struct k8s_dec *d, const json_t *o, const char *key, size_t *ret_len);
/* @len elements of zeroed memory; NULL for none and, with err set, when memory is out. */
void *dec_array(struct k8s_dec *d, size_t len, size_t elem_size);

/* Lenient access: NULL for whatever is no string. Copied; for texts that only people read. */
const char *dec_text(struct k8s_dec *d, const json_t *o, const char *key);
const char *dec_intern(struct k8s_dec *d, const char *s);
const struct k8s_condition *dec_conditions(struct k8s_dec *d, const json_t *status, size_t *ret_len);

/*
 * Address as Go's ParseIPSloppy reads it, which kube-proxy uses: leading zeros in IPv4 are decimal, and
 * IPv4-mapped IPv6 is IPv4.
 */
bool dec_ip(const char *s, struct ip_addr *ret);
void dec_bad(struct k8s_dec *d, const char *key, const char *what);
void dec_note_address(struct k8s_dec *d, const char *key, const char *value);

/*
 * A new object of @type with the metadata @m, which stands in its list of the cluster once err is still 0 at
 * the end; the kind's decoder has it as its first line.
 */
#define dec_new(d, type, m) \
	__extension__({ \
		type *new_ = dec_array((d), 1, sizeof(type)); \
		if (new_) \
			new_->meta = *(m); \
		new_; \
	})
#define dec_keep(d, list, object) \
	do { \
		if ((d)->err == 0) \
			(d)->err = array_push(list, object); \
	} while (0)

struct k8s_port_array {
	const struct k8s_container_port *v;
	size_t len;
};
/* Ports of the containers of a pod or template spec. */
struct k8s_port_array dec_template_ports(struct k8s_dec *d, const json_t *spec);

/* Decoders: fill a new object from @o, whose metadata is decoded already. */
void decode_service(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m);
void decode_slice(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m);
void decode_endpoints(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m);
void decode_pod(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m);
void decode_node(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m);
void decode_namespace(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m);
void decode_configmap(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m);
void decode_event(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m);
void decode_netpol(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m);
void decode_workload(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m);
void decode_ingress(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m);
void decode_caller(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m);
void decode_service_cidr(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m);
void decode_ingress_class(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m);
void decode_route(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m);
void decode_gateway(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m);
void decode_grant(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m);

#endif
