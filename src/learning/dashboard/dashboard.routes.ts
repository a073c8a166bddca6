import { z } from 'zod'
import type { ActiveChild } from '../../family/child-access.ts'
import type { ChildProfile, ChildrenService } from '../../family/children.service.ts'
import { Data, data, Page, page, UuidParam } from '../../platform/http/envelope.ts'
import type { TypedApp } from '../../platform/http/typed-app.ts'
import { GROWTH_DESCRIPTION } from '../progress/growth.ts'
import {
  ActivityQuery,
  ActivityView,
  DashboardView,
  FullConversationView,
  GrantBody,
  LogQuery,
  LogView,
  PauseBody,
  SettingsBody,
  SettingsView,
  SummaryQuery,
  toActivityView,
  toDashboardView,
  toFullConversationView,
  toLogView,
} from './dashboard.schemas.ts'
import type { DashboardService } from './dashboard.service.ts'

const tags = ['Dashboard']
const ChildParams = UuidParam('child_id')

const toSettingsView = (
  { child }: ChildProfile,
  { grantedMinutes, isPaused }: Pick<ActiveChild, 'grantedMinutes' | 'isPaused'>,
): z.infer<typeof SettingsView> => ({
  sound_enabled: child.soundEnabled,
  voice_over_enabled: child.voiceOverEnabled,
  daily_time_limit_minutes: child.dailyTimeLimitMinutes,
  bedtime_start: child.bedtimeStart,
  bedtime_end: child.bedtimeEnd,
  restricted_topics: child.restrictedTopics,
  granted_minutes: grantedMinutes,
  paused: isPaused,
})

/** Section 7 of the learning contract, and the parent's controls of the moment. */
export function registerDashboardRoutes(app: TypedApp, dashboard: DashboardService, children: ChildrenService): void {
  const ofOneChild = { actor: 'parent', limit: 'dashboard', childParam: 'child_id' } as const

  app.get(
    '/dashboard',
    {
      config: { actor: 'parent', limit: 'dashboard', errors: ['CHILD_ACCESS_DENIED'] },
      schema: { tags, summary: 'Get the dashboard summary', querystring: SummaryQuery, response: { 200: Data(DashboardView) } },
    },
    async (request) => {
      const { period, child_id } = request.query
      return data(request, toDashboardView(period, await dashboard.summary(request.caller.accountId, period, child_id)))
    },
  )

  app.get(
    '/dashboard/children/:child_id/activity',
    {
      config: ofOneChild,
      schema: {
        tags,
        summary: "Get a child's activity",
        description: GROWTH_DESCRIPTION,
        params: ChildParams,
        querystring: ActivityQuery,
        response: { 200: Data(ActivityView) },
      },
    },
    async (request) => {
      const { period, include_conversations } = request.query
      return data(request, toActivityView(request.child, await dashboard.activity(request.child, period, include_conversations), include_conversations))
    },
  )

  app.get(
    '/dashboard/children/:child_id/conversations',
    {
      config: ofOneChild,
      schema: {
        tags,
        summary: "List a child's conversations",
        description: 'Those in which the child said something, newest first; restricted topics too.',
        params: ChildParams,
        querystring: LogQuery,
        response: { 200: Page(LogView) },
      },
    },
    async (request) => {
      const { lines, cursor } = await dashboard.conversations(request.child, request.query)
      return page(request, lines.map(toLogView), cursor)
    },
  )

  app.get(
    '/dashboard/conversations/:conversation_id',
    {
      config: { actor: 'parent', limit: 'dashboard', errors: ['NOT_FOUND'] },
      schema: { tags, summary: 'Get a whole conversation', params: UuidParam('conversation_id'), response: { 200: Data(FullConversationView) } },
    },
    async (request) => data(request, toFullConversationView(await dashboard.conversation(request.caller.accountId, request.params.conversation_id))),
  )

  app.get(
    '/dashboard/children/:child_id/settings',
    { config: ofOneChild, schema: { tags, summary: "Get a child's settings", params: ChildParams, response: { 200: Data(SettingsView) } } },
    async (request) => data(request, toSettingsView(await children.get(request.child.id, request.child.timezone), request.child)),
  )

  app.patch(
    '/dashboard/children/:child_id/settings',
    {
      config: ofOneChild,
      schema: {
        tags,
        summary: "Update a child's settings",
        description: 'The same settings as `PATCH /v1/children/{child_id}`; what is not named stays. They hold at once, also for sockets already open.',
        params: ChildParams,
        body: SettingsBody,
        response: { 200: Data(SettingsView) },
      },
    },
    async (request) => {
      const profile = await children.update(request.child.id, request.child.timezone, { settings: request.body }, (setting) => setting)
      return data(request, toSettingsView(profile, request.child))
    },
  )

  app.post(
    '/dashboard/children/:child_id/grant',
    {
      config: ofOneChild,
      schema: {
        tags,
        summary: 'Grant extra minutes for today',
        description: 'Added to the daily limit of the present local day; several grants add up. Bedtime stays.',
        params: ChildParams,
        body: GrantBody,
        response: { 200: Data(z.object({ granted_minutes: z.int().meta({ description: 'Today in all' }), daily_time_limit_minutes: z.int() })) },
      },
    },
    async (request) => {
      const granted = await children.grant(request.child.id, request.operationId, request.child.today, request.body.minutes)
      return data(request, { granted_minutes: granted, daily_time_limit_minutes: request.child.dailyTimeLimitMinutes })
    },
  )

  app.post(
    '/dashboard/children/:child_id/pause',
    {
      config: ofOneChild,
      schema: {
        tags,
        summary: 'Pause learning now, or let it go on',
        description: 'While paused every start and turn answers `TIME_LIMIT_REACHED` with reason `paused`. `{ "paused": false }` ends it.',
        params: ChildParams,
        body: PauseBody,
        response: { 200: Data(z.object({ paused: z.boolean() })) },
      },
    },
    async (request) => {
      const paused = request.body?.paused ?? true
      await children.pause(request.child.id, paused)
      return data(request, { paused })
    },
  )
}
