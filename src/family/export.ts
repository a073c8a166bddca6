import type { Database } from '../platform/db/database.ts'

/** One part of what is held of a child: each room registers its own. */
export interface ExportPart {
  readonly name: string
  /** Tables that the part tells of; a test compares them with the live schema. */
  readonly tables: readonly string[]
  /**
   * Rows of the part, a page at a time: `after` is the `page_key` of the last row of the page before, '' at first. The
   * statement takes the child ($1), `after` ($2) and the page size ($3), and gives `page_key` and `row` (JSON).
   */
  readonly sql: string
}

const PAGE = 500

/** What the family holds of a child. PIN and tokens are secrets, stored as hashes alone, and left out. */
export const FAMILY_EXPORT: readonly ExportPart[] = [
  {
    name: 'profile',
    tables: ['children'],
    sql: `SELECT id::text AS page_key, to_jsonb(c) - 'pin_hash' || jsonb_build_object('has_pin', pin_hash IS NOT NULL) AS row
      FROM children c WHERE id = $1 AND id::text > $2 ORDER BY 1 LIMIT $3`,
  },
  {
    name: 'sessions',
    tables: ['sessions'],
    sql: `SELECT id::text AS page_key, to_jsonb(s) AS row FROM sessions s WHERE child_id = $1 AND id::text > $2 ORDER BY 1 LIMIT $3`,
  },
  {
    name: 'pin_attempts',
    tables: ['pin_attempts'],
    sql: `SELECT session_id::text AS page_key, to_jsonb(p) AS row FROM pin_attempts p WHERE child_id = $1 AND session_id::text > $2 ORDER BY 1 LIMIT $3`,
  },
]

/** Everything held of a child as pieces of one JSON text, read page by page. `head` and `tail` go around the parts. */
export async function* exportOf(db: Database, parts: readonly ExportPart[], childId: string, head: string, tail: string): AsyncGenerator<string> {
  yield head
  for (const [index, part] of parts.entries()) {
    yield `${index === 0 ? '' : ','}${JSON.stringify(part.name)}:[`
    let after = ''
    let isFirst = true
    for (;;) {
      const rows = await db.query<{ page_key: string; row: object }>({ name: `export.${part.name}`, text: part.sql }, [childId, after, PAGE])
      const text = rows.map(({ row }) => JSON.stringify(row)).join(',')
      if (text !== '') yield isFirst ? text : `,${text}`
      isFirst &&= text === ''
      if (rows.length < PAGE) break
      after = (rows.at(-1) as { page_key: string }).page_key
    }
    yield ']'
  }
  yield tail
}
