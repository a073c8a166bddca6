-- AlterTable
ALTER TABLE "safety_flags" ADD COLUMN     "held_until" TIMESTAMPTZ(3),
ADD COLUMN     "mail_failures" INTEGER NOT NULL DEFAULT 0;

-- What the database itself guarantees, whatever the code does.
ALTER TABLE "safety_flags" ADD CONSTRAINT "safety_flags_mail_failures_check" CHECK ("mail_failures" >= 0);

-- What waits for those who answer for child protection, whatever its severity.
CREATE INDEX "safety_flags_safeguarding_idx" ON "safety_flags" ("created_at") WHERE "audience" = 'safeguarding' AND "acknowledged_at" IS NULL;

-- What is left out where a family's messages are counted.
CREATE INDEX "messages_withheld_idx" ON "messages" ("child_id", "conversation_id") WHERE "withheld";
