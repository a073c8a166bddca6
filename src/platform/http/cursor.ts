import { z } from 'zod'
import { invalidField } from './errors.ts'

/** An opaque page cursor: a small JSON value in base64url. */
export const encodeCursor = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Reads a cursor made by encodeCursor. Throws a 400 naming `field` for anything else. */
export function decodeCursor<S extends z.ZodType>(schema: S, text: string, field: string): z.infer<S> {
  try {
    return schema.parse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8')))
  } catch {
    throw invalidField(field, 'Unknown cursor')
  }
}

export const PageLimit = (fallback: number) => z.coerce.number().int().min(1).max(100).default(fallback)
