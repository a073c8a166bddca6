import { z } from 'zod'
import { DisplayName, TimeZone } from '../identity/auth.schemas.ts'
import { LocalDateText, Timestamp } from '../platform/http/envelope.ts'
import { NO_CONTROL_CHARACTERS } from '../platform/http/text.ts'
import { AGE_GROUPS } from './age-groups.ts'

export const AgeGroupText = z.enum(AGE_GROUPS)
const ChildName = z
  .string()
  .trim()
  .min(1)
  .max(40)
  .regex(NO_CONTROL_CHARACTERS, 'Must not contain control characters')
  .meta({ description: 'A first name or nickname' })
const AvatarId = z.string().min(1).max(64)
const Interests = z.array(z.string().trim().min(1).max(40).regex(NO_CONTROL_CHARACTERS, 'Must not contain control characters')).max(20)
const WallClock = z
  .string()
  .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'Must be HH:MM')
  .meta({ description: 'Local wall-clock time, HH:MM' })
const Pin = z
  .string()
  .regex(/^\d{4}$/, 'Must be four digits')
  .meta({ description: 'Four digits' })

export const ChildSettingsPatch = z.strictObject({
  sound_enabled: z.boolean().optional(),
  voice_over_enabled: z.boolean().optional(),
  daily_time_limit_minutes: z.int().min(0).max(1440).optional().meta({ description: '0 closes the day' }),
  bedtime_start: WallClock.nullable().optional(),
  bedtime_end: WallClock.nullable().optional().meta({ description: 'May lie after midnight' }),
  restricted_topics: z.array(z.uuid().toLowerCase()).max(25).optional(),
})

export const CreateChildBody = z
  .strictObject({
    name: ChildName,
    birth_date: LocalDateText.meta({ description: 'The child must be 4 to 12 years old' }),
    avatar_id: AvatarId.optional(),
    interests: Interests.default([]),
    settings: ChildSettingsPatch.optional(),
    pin: Pin.nullable().optional(),
  })
  .meta({ example: { name: 'Emma', birth_date: '2019-05-15', avatar_id: 'avatar_bunny', interests: ['animals', 'space', 'stories'] } })

export const UpdateChildBody = z
  .strictObject({
    name: ChildName.optional(),
    birth_date: LocalDateText.optional(),
    avatar_id: AvatarId.optional(),
    interests: Interests.optional(),
    settings: ChildSettingsPatch.optional(),
    pin: Pin.nullable().optional().meta({ description: 'null removes the PIN; a change ends the child sessions' }),
  })
  .meta({ example: { name: 'Emmy', settings: { daily_time_limit_minutes: 45 } } })

export const ActivateBody = z
  .strictObject({ pin: z.string().max(16).optional() })
  .nullish()
  .meta({ example: { pin: '1234' } })

export const ChildView = z
  .object({
    id: z.uuid(),
    name: z.string(),
    birth_date: LocalDateText,
    age_group: AgeGroupText,
    avatar_id: z.string(),
    interests: z.array(z.string()),
    settings: z.object({
      sound_enabled: z.boolean(),
      voice_over_enabled: z.boolean(),
      daily_time_limit_minutes: z.int(),
      bedtime_start: z.string().nullable(),
      bedtime_end: z.string().nullable(),
      restricted_topics: z.array(z.uuid()),
    }),
    has_pin: z.boolean(),
    created_at: Timestamp,
  })
  .meta({
    id: 'Child',
    example: {
      id: '660e8400-e29b-41d4-a716-446655440001',
      name: 'Emma',
      birth_date: '2019-05-15',
      age_group: 'wonder_cubs',
      avatar_id: 'avatar_bunny',
      interests: ['animals', 'space', 'stories'],
      settings: {
        sound_enabled: true,
        voice_over_enabled: true,
        daily_time_limit_minutes: 60,
        bedtime_start: '19:30',
        bedtime_end: '07:00',
        restricted_topics: [],
      },
      has_pin: false,
      created_at: '2024-12-15T10:30:00Z',
    },
  })

export const ActivationView = z
  .object({
    child: z.object({ id: z.uuid(), name: z.string(), age_group: AgeGroupText }),
    session_token: z.string(),
    expires_in: z.int().meta({ description: 'Seconds' }),
  })
  .meta({
    example: {
      child: { id: '660e8400-e29b-41d4-a716-446655440001', name: 'Emma', age_group: 'wonder_cubs' },
      session_token: 'eyJhbGciOiJSUzI1NiIs...',
      expires_in: 2_592_000,
    },
  })

const Notifications = { email_digest: z.boolean(), push_enabled: z.boolean(), streak_reminders: z.boolean() }

export const UpdateParentBody = z
  .strictObject({
    display_name: DisplayName.optional(),
    timezone: TimeZone.optional(),
    settings: z.strictObject({ notifications: z.strictObject(Notifications).partial().optional() }).optional(),
  })
  .meta({ example: { display_name: 'Alex P.', timezone: 'America/Los_Angeles', settings: { notifications: { streak_reminders: false } } } })

export const DeleteAccountBody = z
  .strictObject({ password: z.string().max(1_024).optional(), email: z.string().max(320).optional() })
  .meta({ example: { password: 'SecureP@ss123' } })

export const ReceiptView = z
  .object({ id: z.uuid(), subject_hash: z.string(), erased_at: Timestamp, removed: z.record(z.string(), z.int()), remaining: z.int() })
  .meta({
    id: 'ErasureReceipt',
    example: {
      id: 'bb0e8400-e29b-41d4-a716-446655440001',
      subject_hash: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
      erased_at: '2024-12-15T10:30:00Z',
      removed: { children: 1, conversations: 45, messages: 812 },
      remaining: 0,
    },
  })

export const ParentView = z
  .object({
    id: z.uuid(),
    email: z.string(),
    email_verified: z.boolean(),
    display_name: z.string(),
    timezone: z.string(),
    subscription_tier: z.string(),
    subscription_expires_at: Timestamp.nullable(),
    settings: z.object({ notifications: z.object(Notifications) }),
    created_at: Timestamp,
    children: z.array(z.object({ id: z.uuid(), name: z.string(), age_group: AgeGroupText, avatar_id: z.string() })),
  })
  .meta({
    id: 'Parent',
    example: {
      id: '550e8400-e29b-41d4-a716-446655440000',
      email: 'parent@example.com',
      email_verified: true,
      display_name: 'Alex Parent',
      timezone: 'America/New_York',
      subscription_tier: 'premium',
      subscription_expires_at: '2025-12-15T00:00:00Z',
      settings: { notifications: { email_digest: true, push_enabled: true, streak_reminders: true } },
      created_at: '2024-01-15T10:30:00Z',
      children: [{ id: '660e8400-e29b-41d4-a716-446655440001', name: 'Emma', age_group: 'wonder_cubs', avatar_id: 'avatar_bunny' }],
    },
  })
