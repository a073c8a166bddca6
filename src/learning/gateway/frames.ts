import { z } from 'zod'
import { SendBody } from '../conversations/conversations.schemas.ts'

export const MAX_FRAME_BYTES = 16 * 1024

/** Why the server closes a socket: the private range of RFC 6455, and three codes of its registry. */
export const CLOSE = {
  malformed: 4400,
  notAuthenticated: 4401,
  childDenied: 4403,
  slowReader: 4408,
  flood: 4429,
  restart: 1012,
  tryAgainLater: 1013,
} as const

export const AuthFrame = z.strictObject({
  type: z.literal('auth'),
  token: z.string().min(1).max(8_192),
  child_id: z.uuid().optional(),
  resume: z.strictObject({ epoch: z.string().max(64), seq: z.int().min(0) }).optional(),
})
export type AuthFrame = z.infer<typeof AuthFrame>

export const MessageFrame = z.strictObject({
  ...SendBody.shape,
  type: z.literal('message'),
  conversation_id: z.uuid(),
  idempotency_key: z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/)
    .optional(),
})

/** What a frame wants, before its fields are checked. Undefined for anything that is not a JSON object with a type. */
export function frameOf(text: string): { readonly type: string; readonly [field: string]: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || !('type' in value) || typeof value.type !== 'string') return undefined
    return value as { type: string }
  } catch {
    return undefined
  }
}
