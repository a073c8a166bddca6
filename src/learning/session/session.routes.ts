import { z } from 'zod'
import { AgeGroupText } from '../../family/family.schemas.ts'
import { Data, data } from '../../platform/http/envelope.ts'
import type { TypedApp } from '../../platform/http/typed-app.ts'
import { TIME_REASONS } from '../progress/time-budget.ts'
import type { ChildSession, SessionService } from './session.service.ts'

const tags = ['Session']

const SessionView = z
  .object({
    child: z.object({
      id: z.uuid(),
      name: z.string(),
      age_group: AgeGroupText,
      avatar_id: z.string(),
      theme_id: z.string(),
      companion_id: z.string().nullable(),
    }),
    settings: z.object({ sound_enabled: z.boolean(), voice_over_enabled: z.boolean() }),
    time: z.object({ daily_time_limit_minutes: z.int(), granted_minutes: z.int(), used_minutes: z.int(), minutes_left: z.int() }),
    bedtime: z.object({ start: z.string().nullable(), end: z.string().nullable(), is_now: z.boolean() }),
    can_learn: z.boolean(),
    reason: z.enum(TIME_REASONS).nullable().meta({ description: 'Why not, when can_learn is false' }),
  })
  .meta({
    id: 'ChildSession',
    example: {
      child: {
        id: '660e8400-e29b-41d4-a716-446655440001',
        name: 'Emma',
        age_group: 'wonder_cubs',
        avatar_id: 'avatar_bunny',
        theme_id: 'theme_starlight',
        companion_id: null,
      },
      settings: { sound_enabled: true, voice_over_enabled: true },
      time: { daily_time_limit_minutes: 60, granted_minutes: 0, used_minutes: 25, minutes_left: 35 },
      bedtime: { start: '19:30', end: '07:00', is_now: false },
      can_learn: true,
      reason: null,
    },
  })

const ItemId = z.string().min(1).max(64)
const WearBody = z
  .strictObject({
    avatar_id: ItemId.optional(),
    theme_id: ItemId.optional(),
    companion_id: ItemId.nullable().optional().meta({ description: 'null takes it off' }),
  })
  .meta({ example: { theme_id: 'theme_ocean' } })

const toSessionView = (session: ChildSession): z.infer<typeof SessionView> => ({
  child: {
    ...{ id: session.child.id, name: session.child.name, age_group: session.child.ageGroup },
    ...{ avatar_id: session.avatarId, theme_id: session.themeId, companion_id: session.companionId },
  },
  settings: { sound_enabled: session.soundEnabled, voice_over_enabled: session.voiceOverEnabled },
  time: {
    daily_time_limit_minutes: session.child.dailyTimeLimitMinutes,
    granted_minutes: session.child.grantedMinutes,
    used_minutes: session.usedMinutes,
    minutes_left: session.minutesLeft,
  },
  bedtime: { start: session.child.bedtimeStart, end: session.child.bedtimeEnd, is_now: session.isBedtime },
  can_learn: session.refusal === undefined,
  reason: session.refusal ?? null,
})

/** What a child's device needs beyond the contract: see "also expected" in the description of the API. */
export function registerSessionRoutes(app: TypedApp, sessions: SessionService): void {
  app.get(
    '/session',
    {
      config: { actor: 'child', limit: 'general' },
      schema: {
        tags,
        summary: "Get a child's session",
        description: 'Settings, outfit, minutes left, bedtime, and whether learning may go on.',
        response: { 200: Data(SessionView) },
      },
    },
    async (request) => data(request, toSessionView(await sessions.session(request.child))),
  )

  app.patch(
    '/session',
    {
      config: { actor: 'child', limit: 'general' },
      schema: {
        tags,
        summary: 'Wear an avatar, a theme or a companion',
        description: 'Free things, and things the child has bought.',
        body: WearBody,
        response: { 200: Data(SessionView) },
      },
    },
    async (request) => data(request, toSessionView(await sessions.wear(request.child, request.body))),
  )
}
