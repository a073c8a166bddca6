import pg from 'pg'

/**
 * How many rows of each table of the living schema mention a text anywhere: in a column of any type, inside JSON and
 * arrays too. Tables without a mention are left out.
 */
export async function tablesMentioning(databaseUrl: string, text: string): Promise<Record<string, number>> {
  return perTable(databaseUrl, (table) => ({ sql: `SELECT count(*)::int AS n FROM ${table} AS r WHERE strpos(r::text, $1) > 0`, values: [text] }))
}

/** How many rows of each table have a uuid column, or an array of uuids, that holds the id. Tables without one are left out. */
export async function tablesReferring(databaseUrl: string, id: string): Promise<Record<string, number>> {
  return perTable(databaseUrl, (table, columns) => ({
    sql: `SELECT count(*)::int AS n FROM ${table} WHERE ${
      columns
        .filter((column) => column.type === 'uuid' || column.type === '_uuid')
        .map((column) => (column.type === 'uuid' ? `"${column.name}" = $1::uuid` : `$1::uuid = ANY("${column.name}")`))
        .join(' OR ') || '$1::uuid IS NULL'
    }`,
    values: [id],
  }))
}

interface Column {
  readonly name: string
  readonly type: string
}

async function perTable(
  databaseUrl: string,
  counting: (table: string, columns: readonly Column[]) => { sql: string; values: unknown[] },
): Promise<Record<string, number>> {
  const client = new pg.Client(databaseUrl)
  await client.connect()
  try {
    const { rows } = await client.query<{ table_name: string; columns: Column[] }>(`
      SELECT c.table_name, json_agg(json_build_object('name', c.column_name, 'type', c.udt_name)) AS columns
      FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
      WHERE c.table_schema NOT IN ('pg_catalog', 'information_schema') AND t.table_type = 'BASE TABLE'
      GROUP BY c.table_schema, c.table_name`)
    const counts: Record<string, number> = {}
    for (const { table_name, columns } of rows) {
      const { sql, values } = counting(`"${table_name}"`, columns)
      const counted = await client.query<{ n: number }>(sql, values)
      const n = counted.rows[0]?.n ?? 0
      if (n > 0) counts[table_name] = n
    }
    return counts
  } finally {
    await client.end()
  }
}
