import { randomBytes, randomUUID } from 'node:crypto'

/** A random UUID (version 4). */
export const newId = (): string => randomUUID()

/** An unguessable URL-safe token of 256 bits. */
export const newSecret = (): string => randomBytes(32).toString('base64url')

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
export const isUuid = (text: string): boolean => UUID.test(text)
