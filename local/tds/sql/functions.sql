-- T-SQL's functions, under their own names.
CREATE FUNCTION tds.getdate() RETURNS timestamp LANGUAGE sql VOLATILE AS $$ SELECT clock_timestamp() AT TIME ZONE 'UTC' $$;
CREATE FUNCTION tds.getutcdate() RETURNS timestamp LANGUAGE sql VOLATILE AS $$ SELECT tds.getdate() $$;
CREATE FUNCTION tds.sysdatetime() RETURNS timestamp LANGUAGE sql VOLATILE AS $$ SELECT tds.getdate() $$;
CREATE FUNCTION tds.sysutcdatetime() RETURNS timestamp LANGUAGE sql VOLATILE AS $$ SELECT tds.getdate() $$;
CREATE FUNCTION tds.sysdatetimeoffset() RETURNS tds.datetimeoffset LANGUAGE sql VOLATILE AS
  $$ SELECT tds.datetimeoffset_of(tds.getdate()) $$;

-- Text
CREATE FUNCTION tds.upper(bpchar) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.upper(concat($1))::bpchar $$;
CREATE FUNCTION tds.lower(bpchar) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.lower(concat($1))::bpchar $$;
CREATE FUNCTION tds.ltrim(bpchar) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.ltrim(concat($1))::bpchar $$;
CREATE FUNCTION tds.rtrim(bpchar) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.rtrim(concat($1))::bpchar $$;
CREATE FUNCTION tds.trim(bpchar) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT btrim(concat($1))::bpchar $$;
CREATE FUNCTION tds.reverse(bpchar) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.reverse(concat($1))::bpchar $$;
CREATE FUNCTION tds.left(bpchar, int4) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT substr(concat($1), 1, greatest($2, 0))::bpchar $$;
CREATE FUNCTION tds.right(bpchar, int4) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT CASE WHEN $2 <= 0 THEN '' ELSE pg_catalog.right(concat($1), $2) END::bpchar $$;
CREATE FUNCTION tds.replicate(bpchar, int4) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT CASE WHEN $2 < 0 THEN NULL ELSE repeat(concat($1), $2) END::bpchar $$;
CREATE FUNCTION tds.substring(bpchar, int4, int4) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT substr(concat($1), $2, $3)::bpchar $$;
CREATE FUNCTION tds.replace(bpchar, bpchar, bpchar) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT regexp_replace(concat($1), '(?q)' || concat($2), pg_catalog.replace(concat($3), '\', '\\'), 'gi')::bpchar $$;
CREATE FUNCTION tds.charindex(bpchar, bpchar, int4 DEFAULT 1) RETURNS int4 LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT CASE WHEN found = 0 THEN 0 ELSE found + greatest($3, 1) - 1 END FROM (SELECT
    strpos(pg_catalog.lower(substr(concat($2), greatest($3, 1))), pg_catalog.lower(concat($1))) AS found) s $$;
CREATE FUNCTION tds.len(bpchar) RETURNS int4 LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT char_length($1) $$;
CREATE FUNCTION tds.datalength(bytea) RETURNS int4 LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT octet_length($1) $$;
-- Whether text has one or two bytes a character is not known here.
CREATE FUNCTION tds.text_has_no_bytes() RETURNS int4 LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION '102|The emulator does not know the bytes of text.'; END $$;
CREATE FUNCTION tds.datalength(bpchar) RETURNS int4 LANGUAGE sql AS $$ SELECT tds.text_has_no_bytes() $$;
CREATE FUNCTION tds.bytes_of(bpchar, int4) RETURNS bytea LANGUAGE sql AS $$ SELECT int4send(tds.text_has_no_bytes()) $$;
CREATE FUNCTION tds.isnull(anycompatible, anycompatible) RETURNS anycompatible LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce($1, $2) $$;
CREATE FUNCTION tds.isnull(bool, int4) RETURNS bool LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce($1, $2::bool) $$;

-- Conversions to text: (value, style, characters; -1 is max). Text is cut, anything else must fit.
CREATE FUNCTION tds.fitting(text, int4) RETURNS bpchar LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  IF $2 <> -1 AND char_length($1) > $2 THEN
    RAISE EXCEPTION '8115|Arithmetic overflow error converting expression to data type nvarchar.';
  END IF;
  RETURN $1::bpchar;
END $$;
CREATE FUNCTION tds.text_of(bpchar, int4, int4) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT CASE WHEN $3 = -1 THEN $1 ELSE substr(concat($1), 1, $3)::bpchar END $$;
CREATE FUNCTION tds.text_of(int8, int4, int4) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT tds.fitting($1::text, $3) $$;
CREATE FUNCTION tds.text_of(int2, int4, int4) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT tds.fitting($1::text, $3) $$;
CREATE FUNCTION tds.text_of(int4, int4, int4) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT tds.fitting($1::text, $3) $$;
CREATE FUNCTION tds.text_of(numeric, int4, int4) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT tds.fitting($1::text, $3) $$;
CREATE FUNCTION tds.text_of(tds.money, int4, int4) RETURNS bpchar LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  IF $2 = 0 THEN RETURN tds.fitting(round($1::numeric, 2)::text, $3); END IF;
  IF $2 = 2 THEN RETURN tds.fitting(round($1::numeric, 4)::text, $3); END IF;
  RAISE EXCEPTION '102|The emulator does not have style % of money.', $2;
END $$;
CREATE FUNCTION tds.text_of(bool, int4, int4) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT ($1::int4)::text::bpchar $$;
CREATE FUNCTION tds.text_of(uuid, int4, int4) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT tds.fitting(pg_catalog.upper($1::text), $3) $$;
-- Style 3 has as many digits as it takes; the default has six, so more are refused here.
CREATE FUNCTION tds.text_of(float8, int4, int4) RETURNS bpchar LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE digits text := $1::text;
BEGIN
  IF $2 = 3 OR ($2 = 0 AND digits ~ '^-?[0-9.]{1,7}$' AND char_length(pg_catalog.replace(pg_catalog.ltrim(digits, '-0.'), '.', '')) <= 6) THEN
    RETURN tds.fitting(digits, $3);
  END IF;
  RAISE EXCEPTION '102|The emulator has float as text in style 3 only.';
END $$;
CREATE FUNCTION tds.text_of(float4, int4, int4) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT tds.text_of($1::text::float8, $2, $3) $$;
CREATE FUNCTION tds.text_of(date, int4, int4) RETURNS bpchar LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  IF $2 IN (0, 23, 120, 121, 126) THEN RETURN tds.fitting($1::text, $3); END IF;
  RAISE EXCEPTION '102|The emulator does not have style % of date.', $2;
END $$;
-- Seven digits after the point, or none where they are all zero.
CREATE FUNCTION tds.fraction(timestamp) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT CASE to_char($1, 'US') WHEN '000000' THEN '' ELSE '.' || to_char($1, 'US') || '0' END $$;
CREATE FUNCTION tds.text_of(timestamp, int4, int4) RETURNS bpchar LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  CASE $2
    WHEN 126 THEN RETURN tds.fitting(to_char($1, 'YYYY-MM-DD"T"HH24:MI:SS') || tds.fraction($1), $3);
    WHEN 127 THEN RETURN tds.fitting(to_char($1, 'YYYY-MM-DD"T"HH24:MI:SS') || tds.fraction($1), $3);
    WHEN 121 THEN RETURN tds.fitting(to_char($1, 'YYYY-MM-DD HH24:MI:SS') || tds.fraction($1), $3);
    WHEN 120 THEN RETURN tds.fitting(to_char($1, 'YYYY-MM-DD HH24:MI:SS'), $3);
    WHEN 23 THEN RETURN tds.fitting(to_char($1, 'YYYY-MM-DD'), $3);
    ELSE RAISE EXCEPTION '102|The emulator has date and time as text in styles 23, 120, 121, 126 and 127 only.';
  END CASE;
END $$;
CREATE FUNCTION tds.text_of(time, int4, int4) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT tds.fitting(to_char($1, 'HH24:MI:SS') || tds.fraction(date '2000-01-01' + $1), $3) $$;
CREATE FUNCTION tds.text_of(tds.datetimeoffset, int4, int4) RETURNS bpchar LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  minutes int := ($1).minutes;
  moment timestamp := $1::timestamp;
  suffix text := CASE WHEN minutes < 0 THEN '-' ELSE '+' END
    || to_char(abs(minutes) / 60, 'FM00') || ':' || to_char(abs(minutes) % 60, 'FM00');
BEGIN
  CASE $2
    WHEN 0, 121 THEN RETURN tds.fitting(to_char(moment, 'YYYY-MM-DD HH24:MI:SS') || tds.fraction(moment) || ' ' || suffix, $3);
    WHEN 126 THEN RETURN tds.fitting(to_char(moment, 'YYYY-MM-DD"T"HH24:MI:SS') || tds.fraction(moment) || suffix, $3);
    WHEN 127 THEN RETURN tds.fitting(to_char(($1).utc, 'YYYY-MM-DD"T"HH24:MI:SS') || tds.fraction(($1).utc) || 'Z', $3);
    ELSE RAISE EXCEPTION '102|The emulator has datetimeoffset as text in styles 0, 121, 126 and 127 only.';
  END CASE;
END $$;
CREATE FUNCTION tds.text_of(bytea, int4, int4) RETURNS bpchar LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  IF $2 = 1 THEN RETURN tds.fitting('0x' || pg_catalog.upper(encode($1, 'hex')), $3); END IF;
  IF $2 = 2 THEN RETURN tds.fitting(pg_catalog.upper(encode($1, 'hex')), $3); END IF;
  RAISE EXCEPTION '102|The emulator has binary as text in styles 1 and 2 only.';
END $$;

CREATE FUNCTION tds.bytes_of(bytea, int4) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT substr($1, 1, $2) $$;
CREATE FUNCTION tds.bytes_of(int8, int4) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT substr(int8send($1), greatest(9 - $2, 1)) $$;
CREATE FUNCTION tds.bytes_of(int4, int4) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT substr(int4send($1), greatest(5 - $2, 1)) $$;

-- To whole numbers SQL Server cuts where PostgreSQL rounds.
CREATE FUNCTION tds.whole(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT trunc($1) $$;
CREATE FUNCTION tds.whole(float8) RETURNS float8 LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT trunc($1) $$;
CREATE FUNCTION tds.whole(tds.money) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT round($1::numeric) $$;
CREATE FUNCTION tds.whole(bytea) RETURNS int8 LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT ('x' || lpad(encode($1, 'hex'), 16, '0'))::bit(64)::int8 $$;
CREATE FUNCTION tds.whole(int8) RETURNS int8 LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $1 $$;
CREATE FUNCTION tds.whole(int4) RETURNS int4 LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $1 $$;
CREATE FUNCTION tds.whole(int2) RETURNS int2 LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $1 $$;
CREATE FUNCTION tds.whole(bool) RETURNS int4 LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $1::int4 $$;
CREATE FUNCTION tds.whole(bpchar) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $1 $$;

-- One for each type: PostgreSQL would turn whole numbers into float8, and digits would be lost.
CREATE FUNCTION tds.floor(int8) RETURNS int8 LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $1 $$;
CREATE FUNCTION tds.floor(int4) RETURNS int4 LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $1 $$;
CREATE FUNCTION tds.floor(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.floor($1) $$;
CREATE FUNCTION tds.floor(float8) RETURNS float8 LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.floor($1) $$;
CREATE FUNCTION tds.ceiling(int8) RETURNS int8 LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $1 $$;
CREATE FUNCTION tds.ceiling(int4) RETURNS int4 LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $1 $$;
CREATE FUNCTION tds.ceiling(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.ceil($1) $$;
CREATE FUNCTION tds.ceiling(float8) RETURNS float8 LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.ceil($1) $$;

-- Dates
CREATE FUNCTION tds.year(timestamp) RETURNS int4 LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT extract(year FROM $1)::int4 $$;
CREATE FUNCTION tds.month(timestamp) RETURNS int4 LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT extract(month FROM $1)::int4 $$;
CREATE FUNCTION tds.day(timestamp) RETURNS int4 LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT extract(day FROM $1)::int4 $$;
CREATE FUNCTION tds.datepart(text, timestamp) RETURNS int4 LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT CASE $1 WHEN 'second' THEN trunc(extract(second FROM $2)) WHEN 'millisecond' THEN trunc(extract(millisecond FROM $2)) % 1000
    ELSE date_part($1, $2)::numeric END::int4 $$;
CREATE FUNCTION tds.dateadd(text, int4, timestamp) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT $3 + ($2 || ' ' || $1)::interval $$;
CREATE FUNCTION tds.datediff(text, timestamp, timestamp) RETURNS int4 LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT CASE $1
    WHEN 'year' THEN extract(year FROM $3) - extract(year FROM $2)
    WHEN 'month' THEN (extract(year FROM $3) - extract(year FROM $2)) * 12 + extract(month FROM $3) - extract(month FROM $2)
    ELSE extract(epoch FROM date_trunc($1, $3) - date_trunc($1, $2))
      / CASE $1 WHEN 'day' THEN 86400 WHEN 'hour' THEN 3600 WHEN 'minute' THEN 60 WHEN 'second' THEN 1 ELSE 0.001 END
  END::int4 $$;

-- Aggregates keep the type of what they add up.
CREATE AGGREGATE tds.sum(int4) (SFUNC = int4pl, STYPE = int4);
CREATE FUNCTION tds.add_small(int4, int2) RETURNS int4 LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce($1 + $2, $1, $2) $$;
CREATE AGGREGATE tds.sum(int2) (SFUNC = tds.add_small, STYPE = int4);
CREATE AGGREGATE tds.sum(int8) (SFUNC = int8pl, STYPE = int8);
CREATE AGGREGATE tds.sum(numeric) (SFUNC = numeric_add, STYPE = numeric);
CREATE AGGREGATE tds.sum(float8) (SFUNC = float8pl, STYPE = float8);
CREATE FUNCTION tds.average_end(int8[]) RETURNS int4 LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT CASE WHEN $1[1] = 0 THEN NULL ELSE ($1[2] / $1[1])::int4 END $$;
CREATE AGGREGATE tds.avg(int4) (SFUNC = int4_avg_accum, STYPE = int8[], FINALFUNC = tds.average_end, INITCOND = '{0,0}');
CREATE FUNCTION tds.no_average(int4, numeric) RETURNS int4 LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION '102|The emulator has AVG of int and float only.'; END $$;
CREATE AGGREGATE tds.avg(numeric) (SFUNC = tds.no_average, STYPE = int4);
CREATE FUNCTION tds.no_average(int4, int8) RETURNS int4 LANGUAGE sql AS $$ SELECT tds.no_average($1, $2::numeric) $$;
CREATE AGGREGATE tds.avg(int8) (SFUNC = tds.no_average, STYPE = int4);
CREATE AGGREGATE tds.avg(float8) (SFUNC = float8_accum, STYPE = float8[], FINALFUNC = float8_avg, INITCOND = '{0,0,0}');

-- JSON
CREATE FUNCTION tds.isjson(bpchar) RETURNS int4 LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT (concat($1) IS JSON OBJECT OR concat($1) IS JSON ARRAY)::int4 $$;
CREATE FUNCTION tds.json_part(json, text[]) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT CASE WHEN json_typeof($1 #> $2) IN ('object', 'array') THEN ($1 #> $2)::text END $$;
CREATE FUNCTION tds.json_scalar(json, text[]) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT CASE WHEN json_typeof($1 #> $2) NOT IN ('object', 'array') THEN $1 #>> $2 END $$;
CREATE FUNCTION tds.json_rows(bpchar) RETURNS SETOF json LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE document json := concat($1)::json;
BEGIN
  IF json_typeof(document) = 'array' THEN RETURN QUERY SELECT json_array_elements(document);
  ELSIF json_typeof(document) = 'object' THEN RETURN NEXT document;
  ELSE RAISE EXCEPTION '13609|JSON text is not properly formatted.';
  END IF;
END $$;
CREATE FUNCTION tds.json_kind(json) RETURNS int4 LANGUAGE sql IMMUTABLE AS $$
  SELECT array_position(ARRAY['null', 'string', 'number', 'boolean', 'array', 'object'], coalesce(json_typeof($1), 'null')) - 1 $$;
CREATE FUNCTION tds.openjson(bpchar) RETURNS TABLE (key bpchar, value bpchar, type int4) LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE document json := concat($1)::json;
BEGIN
  IF json_typeof(document) = 'array' THEN
    RETURN QUERY SELECT (n - 1)::text::bpchar, (v #>> '{}')::bpchar, tds.json_kind(v)
      FROM json_array_elements(document) WITH ORDINALITY AS e(v, n);
  ELSE
    RETURN QUERY SELECT k::bpchar, (v #>> '{}')::bpchar, tds.json_kind(v) FROM json_each(document) AS e(k, v);
  END IF;
END $$;
