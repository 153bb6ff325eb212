/// Values of every built-in type that a client can write, as SQL literals.
package let typeSamples: [(type: String, values: [String])] = [
  ("bool", ["true", "false"]),
  ("bytea", [#"'\xdeadbeef'"#, "''", #"'\x00'"#]),
  ("\"char\"", ["'x'", "''", #"'"'"#, #"'\'"#]),
  ("name", ["'pg_class'", "''", "'a \"b\"'"]),
  ("int8", ["-9223372036854775808", "9223372036854775807", "0"]),
  ("int2", ["-32768", "32767"]),
  ("int2vector", ["''", "'1'", "'1 -2 3'"]),
  ("int4", ["-2147483648", "2147483647", "7"]),
  ("regproc", ["'pg_backend_pid'", "0"]),
  (
    "text",
    [
      "''", "'plain'", "'NULL'", "'null'", "'é€𝄞'", #"'"\/'"#, "e'\\x01\\b\\f\\n\\r\\t\\x1c\\x7f'",
      "'{a,b}'", "' spaces '", "'a,b;c'", "U&'\\2028'", "repeat('x', 5000)", "repeat('é\"', 99)",
    ]
  ),
  ("oid", ["0", "4294967295"]),
  ("tid", ["'(0,1)'"]),
  ("xid", ["'7'"]),
  ("cid", ["'7'"]),
  ("oidvector", ["''", "'26 25'"]),
  (
    "json",
    [
      "'null'", "'1'", #"'"a\u0000\ud800"'"#, #"'{"a": [1, {"b":"é"}], "a":2}'"#,
      "' [ 1.50 , 2 ] '",
      "e'{\"a\":\\n1}'", "'\"x\"'", "'[]'",
    ]
  ),
  ("xml", ["'<a b=\"c\">é</a>'"]),
  ("point", ["'(1.5,-2)'"]),
  ("lseg", ["'[(0,0),(1,1)]'"]),
  ("path", ["'((0,0),(1,1))'", "'[(0,0),(1,1)]'"]),
  ("box", ["'(3,4),(1,2)'"]),
  ("polygon", ["'((0,0),(1,1),(1,0))'"]),
  ("line", ["'{1,2,3}'"]),
  ("cidr", ["'10.0.0.0/8'", "'2001:db8::/32'"]),
  ("float4", ["'NaN'", "'-Infinity'", "1e-20", "0.1", "'-0'", "3.4e38", "1"]),
  ("float8", ["'NaN'", "'Infinity'", "1e300", "1e-300", "0.1", "'-0'", "1e15", "1e16", "0"]),
  ("circle", ["'<(1,2),3>'"]),
  ("macaddr8", ["'08:00:2b:01:02:03:04:05'"]),
  ("money", ["1234.5", "-1"]),
  ("macaddr", ["'08:00:2b:01:02:03'"]),
  ("inet", ["'10.0.0.1'", "'10.0.0.1/8'", "'::1'"]),
  ("aclitem", ["'postgres=r/postgres'"]),
  ("bpchar", ["'ab'", "'ab  '", "''"]),
  ("varchar", ["'ab  '", "''", "'é\"'"]),
  ("date", ["'2024-02-29'", "'infinity'", "'-infinity'", "'0044-03-15 BC'", "'12345-01-02'"]),
  ("time", ["'12:34:56'", "'24:00:00'", "'00:00:00.000001'"]),
  (
    "timestamp",
    [
      "'2024-02-29 12:34:56'", "'2024-02-29 12:34:56.5'", "'0044-03-15 12:00 BC'", "'infinity'",
      "'-infinity'", "'294276-12-31 23:59:59.999999'", "'4713-01-01 BC'", "'epoch'",
    ]
  ),
  (
    "timestamptz",
    [
      "'2024-02-29 12:34:56Z'", "'2024-07-01 12:34:56.123456Z'", "'0044-03-15 12:00Z BC'",
      "'infinity'", "'-infinity'", "'12345-01-01Z'", "'1700-01-01 00:00:00Z'", "'epoch'",
    ]
  ),
  ("interval", ["'1 year 2 mons 3 days 04:05:06.789'", "'-1 day'", "'0'"]),
  ("timetz", ["'12:34:56+00'", "'12:34:56.5-05:30'", "'24:00:00+15:59:59'"]),
  ("bit", ["'1'", "'0'"]),
  ("varbit", ["''", "'10110'"]),
  (
    "numeric",
    [
      "'NaN'", "'Infinity'", "'-Infinity'", "12345678901234567890.12300", "-0.000000000000000001",
      "0", "0.00", "1e100", "1e-30",
    ]
  ),
  ("refcursor", ["'cursor 1'"]),
  ("regprocedure", ["'pg_backend_pid()'", "'substr(text,integer)'"]),
  ("regoper", ["'pg_catalog.||/'"]),
  ("regoperator", ["'+(integer,integer)'"]),
  ("regclass", ["'pg_class'", "0"]),
  ("regtype", ["'timestamp with time zone'", "'int4[]'"]),
  ("uuid", ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"]),
  ("txid_snapshot", ["'10:20:10,14,15'"]),
  ("pg_lsn", ["'16/B374D848'"]),
  ("tsvector", ["'''a b'':1A fat:2'", "''"]),
  ("tsquery", ["'fat & (rat | ''c''''t'')'"]),
  ("regconfig", ["'simple'"]),
  ("regdictionary", ["'simple'"]),
  ("jsonb", ["'null'", #"'{"b": [1.50, "é\"\\"], "a": {}}'"#, "'\"x\"'", "'[]'", "'1e3'"]),
  ("int4range", ["'[1,5)'", "'empty'", "'(,)'"]),
  ("numrange", ["'[1.5,2]'"]),
  ("tsrange", ["'[2024-01-01,2024-01-02)'"]),
  ("tstzrange", ["'[2024-01-01Z,2024-01-02Z)'"]),
  ("daterange", ["'[2024-01-01,2024-01-02)'"]),
  ("int8range", ["'[1,5)'"]),
  ("jsonpath", ["'$.a[*] ? (@ > 1)'", "'$.\"x y\"'"]),
  ("regnamespace", ["'pg_catalog'"]),
  ("regrole", ["'postgres'"]),
  ("regcollation", ["'\"C\"'"]),
  ("int4multirange", ["'{[1,5),[7,9)}'", "'{}'"]),
  ("nummultirange", ["'{[1.5,2]}'"]),
  ("tsmultirange", ["'{[2024-01-01,2024-01-02)}'"]),
  ("tstzmultirange", ["'{[2024-01-01Z,2024-01-02Z)}'"]),
  ("datemultirange", ["'{[2024-01-01,2024-01-02)}'"]),
  ("int8multirange", ["'{[1,5)}'"]),
  ("pg_snapshot", ["'10:20:10,14,15'"]),
  ("xid8", ["'18446744073709551615'"]),
]

/// Built-in types whose values no client can write: the server refuses their text.
package let typesWithoutInput: Set<String> = [
  "pg_node_tree", "pg_ndistinct", "pg_dependencies", "pg_mcv_list", "pg_brin_bloom_summary",
  "pg_brin_minmax_multi_summary", "gtsvector",
  // Pseudo-types, that only functions return.
  "unknown", "record", "cstring", "void",
]
