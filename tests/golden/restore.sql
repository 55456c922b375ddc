-- Written by pagescrub 0.0.0 from scan run-1 of 2026-01-02T03:04:05.678901Z.
-- Run as a whole, this file changes nothing: active are queries of sys and msdb that only read
-- (part 1). All else is commented out: remarks begin with two dashes and a blank, statements with
-- two dashes and no blank. Read all of a part before you uncomment any of it, and run it
-- statement by statement.
-- Each <..., ..., > stands for something to fill in (SSMS: Query, Specify Values for Template
-- Parameters): files as N'X:\full.bak', with N and quotes, names as [name]. A statement with one
-- of them left in is a syntax error and cannot run.
-- Nobody has run these statements on your server. Try them on a copy first, and run them from
-- master unless a USE stands above. Backups of other programs are restored with those programs.
-- INCOMPLETE: 29 pages not reached (98.257 % was reached): may be damaged too.
-- INCOMPLETE: 1 file not read, or not to the end: sales_2.ndf.
-- INCOMPLETE: 1 file refused: empty.mdf.
-- INCOMPLETE: 1 incomplete backup: D:\backup\sales=1.bak (without member 2 of 3).

-- ===============================================================================================
-- What to do, in this order
-- ===============================================================================================
-- 1. Freeze the array: No scrub that repairs, no rebuild, no failed disk back into its set: it
-- can make a bad block the agreed truth and spread it into parity. Keep every snapshot.
-- 2. Leave the databases as they are: sales, =x]y'z\nGO\n"$ (v);+1ü漢, simple, the database of
-- /data/orphan.ndf, quo'te] ümläut: no detach, offline, restart, shrink, rebuild of index or log,
-- no REPAIR_ALLOW_DATA_LOSS, no deletion of old backups. What is open may not open again.
-- 3. Save the tail of the log: sales, =x]y'z\nGO\n"$ (v);+1ü漢, the database of /data/orphan.ndf,
-- quo'te] ümläut: to a device that has not failed, BACKUP LOG WITH COPY_ONLY if the database is
-- open, WITH NO_TRUNCATE if not. The tail WITH NORECOVERY closes it: only when an offline restore
-- begins. Under SIMPLE, if a recovery model here turns out to be that, there is no log backup.
-- 4. Copy the damaged files as they are: By a snapshot of their volumes, or byte by byte from one
-- (ddrescue reads around what fails): /data/sales.mdf, /data/sales_2.ndf,
-- /data/a]b'c"d\n=cmd();=1\u{1b}[31m\u{202e}.mdf, /data/simple.mdf, /data/orphan.ndf and 1 more.
-- What goes wrong later can then be tried again.
-- 5. Do not rely on the damaged backups: D:\backup\sales=1.bak. RESTORE stops at a damaged page
-- (Msg 3183), or where a stream's checksum is wrong (Msg 3189). WITH CONTINUE_AFTER_ERROR it goes
-- on, and leaves a database that CHECKDB must be run in: the last resort. RESTORE ends where a
-- backup is cut off or its blocks are broken. Delete none of them, and none that is older.
-- Differential and log backups that follow a damaged one need it, or an older one that is sound.
-- 6. Find the newest clean backup: sales, =x]y'z\nGO\n"$ (v);+1ü漢, simple, the database of
-- /data/orphan.ndf, quo'te] ümläut: newest first, on another server and array: RESTORE
-- HEADERONLY, VERIFYONLY WITH CHECKSUM; then restore it under another name, scan that, run
-- CHECKDB. VERIFYONLY alone proves no page.
-- 7. Restore files or databases as a whole: file 1 of sales (it has a damaged page that cannot be
-- restored alone), file 3 of sales (it has a damaged page that cannot be restored alone),
-- database simple (SIMPLE). Under FULL: the tail WITH NORECOVERY, full backup, differential,
-- logs, and the tail last; pages of other files of the same database in the same sequence. Under
-- SIMPLE: beside the damaged one, which has the newest rows.
-- 8. Restore single pages: =x]y'z\nGO\n"$ (v);+1ü漢, the database of /data/orphan.ndf, quo'te]
-- ümläut: RESTORE DATABASE ... PAGE from the full backup, differential, all logs, then a new log
-- backup (FULL only; online in Enterprise edition; --format tsql writes it). In an availability
-- group or mirror, reading a page may mend it from the other side.
-- 9. Look again at what is not settled: Changed between looks: scan a snapshot. Perhaps free:
-- scan again when the PFS page is sound. 29 pages were not reached, and may be damaged too.
-- 10. Run CHECKDB: sales, =x]y'z\nGO\n"$ (v);+1ü漢, simple, the database of /data/orphan.ndf,
-- quo'te] ümläut: WITH NO_INFOMSGS, ALL_ERRORMSGS; it finds what no checksum shows. Then a full
-- backup WITH CHECKSUM.
-- 11. Take a new full backup now: =x]y'z\nGO, sales: full, WITH CHECKSUM, to storage that has not
-- failed; then RESTORE VERIFYONLY WITH CHECKSUM, and a scan of the new backup. Scan the data
-- files, too: damage in a backup is damage of the database only if it is there as well.
-- 12. Scan again: A fresh snapshot, with --reader direct: the exit code must be 0 and the files
-- the same. Then clear old rows of msdb.dbo.suspect_pages; it stops recording at 1,000.
-- 13. Find the cause: A ticket with this report (incidents: 9); 31 of 31 damaged 64 KiB units lie
-- on member 3 of 8 (counted from 0; p = 2e-9): one disk or path of the array behind /dev/md0;
-- suspects that are not in use (1) show where storage fails, too. Unfreeze the array when the
-- part is replaced, and scan once more after that.

-- ===============================================================================================
-- Damaged backups: do not rely on these
-- ===============================================================================================
-- What is damaged here is a copy. Restore nothing into a database because of it: its data files
-- may be sound, which a scan of them tells. Take a new full backup WITH CHECKSUM now, to storage
-- that has not failed; delete neither these backups nor older ones before that is verified.
-- RESTORE stops at a damaged page (Msg 3183), or where a stream's checksum is wrong (Msg 3189).
-- WITH CONTINUE_AFTER_ERROR it goes on, and leaves a database that CHECKDB must be run in: the
-- last resort. RESTORE ends where a backup is cut off or its blocks are broken.

-- ---- Backup 1: D:\backup\sales=1.bak
-- - set 1: full backup of sales, 2026-01-01 22:04:09
-- - set 2: log backup of =x]y'z\nGO
-- - fault at byte 8704, 1048576 bytes: stream checksum: the checksum of the data stream is
-- 0x00000001 in the backup and 0x00000002 by its bytes (RESTORE VERIFYONLY WITH CHECKSUM says Msg
-- 3189)
-- - fault at byte 2097152: truncated: a \u{202e}<b>name</b>\nends too soon
-- - and 3 more faults
-- - #14 page (1:57) of sales, set 1, at byte 475136: bad checksum
-- - member 2 of 3 is not in this scan: RESTORE needs all of them; allocation is unknown where the
-- PFS pages are in another member
-- - 1 pages do not tell where they belong, and were not verified
-- It is a member of a striped backup: name all members, separated by commas.
--RESTORE HEADERONLY FROM DISK = <backup1, nvarchar(260), >;
-- Several sets: add FILE = n, with the number of the set.
-- A set taken without CHECKSUM: leave WITH CHECKSUM out (Msg 3187); VERIFYONLY says little about
-- it.
--RESTORE VERIFYONLY FROM DISK = <backup1, nvarchar(260), > WITH CHECKSUM;

-- ===============================================================================================
-- Part 1: look (active; reads sys and msdb, changes nothing)
-- ===============================================================================================
-- Recovery model, state, read-only, TDE (is_encrypted: a restore elsewhere needs the
-- certificate).
SELECT d.database_id, d.name, d.state_desc, d.recovery_model_desc, d.page_verify_option_desc,
    d.user_access_desc, d.is_read_only, d.is_encrypted, d.log_reuse_wait_desc
FROM sys.databases AS d
WHERE 1 = 1
ORDER BY d.name;
-- Files: logical names for RESTORE ... FILE. Files with is_read_only = 1 cannot be restored by
-- page: restore the file from its last backup.
SELECT d.name AS database_name, f.file_id, f.name AS logical_name, f.type_desc, f.physical_name,
    f.state_desc, f.is_read_only, f.size AS pages
FROM sys.master_files AS f INNER JOIN sys.databases AS d ON d.database_id = f.database_id
WHERE 1 = 1
ORDER BY d.name, f.file_id;
-- Mirroring: no restore while it is set up; but the mirror may have good pages.
SELECT d.name, m.mirroring_state_desc, m.mirroring_role_desc, m.mirroring_partner_instance
FROM sys.database_mirroring AS m INNER JOIN sys.databases AS d ON d.database_id = m.database_id
WHERE m.mirroring_guid IS NOT NULL AND 1 = 1;
-- What the server itself has noticed (event_type 1 to 3; 4, 5 and 7 are done with).
SELECT d.name, s.file_id, s.page_id, s.event_type, s.error_count, s.last_update_date
FROM msdb.dbo.suspect_pages AS s LEFT JOIN sys.databases AS d ON d.database_id = s.database_id
WHERE d.name IS NULL OR 1 = 1
ORDER BY d.name, s.file_id, s.page_id;
-- Backups of the last 60 days, newest first (D full, I differential, F file, L log). A
-- differential belongs to the full backup whose backup_set_uuid is its differential_base_guid,
-- and to no other. With is_snapshot = 1 or device_type 7 (a virtual device: VDI, VSS) a backup
-- cannot be restored FROM DISK: the program that made it restores it. device_type 2 is disk, 5
-- tape, 9 a URL, 105 a permanent backup device.
SELECT TOP (1000) d.name, b.type, b.backup_start_date, b.backup_finish_date, b.first_lsn,
    b.last_lsn, b.checkpoint_lsn, b.database_backup_lsn, b.differential_base_lsn,
    b.backup_set_uuid, b.differential_base_guid, b.has_backup_checksums, b.is_damaged,
    b.is_copy_only, b.is_snapshot, b.position, m.device_type, m.physical_device_name
FROM msdb.dbo.backupset AS b
INNER JOIN msdb.dbo.backupmediafamily AS m ON m.media_set_id = b.media_set_id
INNER JOIN sys.databases AS d ON d.name = b.database_name
WHERE b.backup_finish_date > DATEADD(day, -60, GETDATE()) AND 1 = 1
ORDER BY d.name, b.backup_finish_date DESC;
-- SQL Server 2012 and later: availability groups, and pages that these mended by themselves. No
-- restore while a database is in a group; take it out first. The other replicas may have good
-- pages: reading a damaged page on the primary asks them for it.
--SELECT r.group_database_id, DB_NAME(r.database_id) AS name, r.is_local,
--    r.synchronization_state_desc, r.synchronization_health_desc
--FROM sys.dm_hadr_database_replica_states AS r;
--SELECT * FROM sys.dm_hadr_auto_page_repair;
--SELECT * FROM sys.dm_db_mirroring_auto_page_repair;

-- ===============================================================================================
-- Part 2.1: sales
-- ===============================================================================================
-- Its boot page (1:9) is a suspect itself: its name and its recovery model, if any is given here,
-- are HINTS ONLY. Part 1 tells both; look for the paths of its files there.
-- Recovery model, by its boot page: FULL or BULK_LOGGED.
-- File 1, /data/sales.mdf: suspects 6; restore the FILE, not its pages: it has a damaged page
-- that cannot be restored alone
-- - #2 (1:9) boot: zeroed; cannot be restored alone
-- - #3 (1:6) diff_map: bad checksum; cannot be restored alone
-- - #4 (1:57) data, =cmd|'/c calc'!A0.T: bad checksum
-- - #7 (1:58) data: wrong page id
-- - #11 (1:202) index, dbo.Orders.IX_\u{1b}]Date: bad checksum; its index can be made again
-- - #13 (1:210) unknown: unreadable; not in use, LEFT OUT
-- File 3, /data/sales_2.ndf: suspects 3; restore the FILE, not its pages: it has a damaged page
-- that cannot be restored alone
-- - 24 pages of it were not reached: if it is cut short, restore the file
-- - #1 (3:1) pfs: bad checksum; cannot be restored alone
-- - #10 (3:88) data: bad checksum; changed between looks, LEFT OUT: scan a snapshot first
-- - #12 (3:90) unknown: bad header; perhaps a free page, LEFT OUT: scan again when its PFS page
-- is sound

-- ---- Look at single pages (the 20 most urgent at most)
-- Reading a damaged page writes to the error log and adds rows to msdb.dbo.suspect_pages
-- (event_type 1, 2 or 3), which holds 1,000. Msg 823 and 824 have severity 24: the connection may
-- end; go on with the next page. Each statement stands alone.
-- SQL Server 2019 and later, pages whose header can be believed. If this server has no such
-- database, DB_ID is NULL: the statement ends with an error and reads nothing.
--SELECT p.page_type_desc, p.object_id, p.index_id, p.page_level,
--    OBJECT_SCHEMA_NAME(p.object_id, p.database_id) AS schema_name,
--    OBJECT_NAME(p.object_id, p.database_id) AS name
--FROM sys.dm_db_page_info(DB_ID(N'sales'), 3, 1, 'DETAILED') AS p; -- #1
--SELECT p.page_type_desc, p.object_id, p.index_id, p.page_level,
--    OBJECT_SCHEMA_NAME(p.object_id, p.database_id) AS schema_name,
--    OBJECT_NAME(p.object_id, p.database_id) AS name
--FROM sys.dm_db_page_info(DB_ID(N'sales'), 1, 6, 'DETAILED') AS p; -- #3
--SELECT p.page_type_desc, p.object_id, p.index_id, p.page_level,
--    OBJECT_SCHEMA_NAME(p.object_id, p.database_id) AS schema_name,
--    OBJECT_NAME(p.object_id, p.database_id) AS name
--FROM sys.dm_db_page_info(DB_ID(N'sales'), 1, 57, 'DETAILED') AS p; -- #4
--SELECT p.page_type_desc, p.object_id, p.index_id, p.page_level,
--    OBJECT_SCHEMA_NAME(p.object_id, p.database_id) AS schema_name,
--    OBJECT_NAME(p.object_id, p.database_id) AS name
--FROM sys.dm_db_page_info(DB_ID(N'sales'), 3, 88, 'DETAILED') AS p; -- #10
--SELECT p.page_type_desc, p.object_id, p.index_id, p.page_level,
--    OBJECT_SCHEMA_NAME(p.object_id, p.database_id) AS schema_name,
--    OBJECT_NAME(p.object_id, p.database_id) AS name
--FROM sys.dm_db_page_info(DB_ID(N'sales'), 1, 202, 'DETAILED') AS p; -- #11
-- All versions (DBCC PAGE is not documented). Style 0 shows the header, with ObjectId and IndexId
-- under Metadata; style 2, used where the header cannot be believed, shows bytes. Style 3
-- interprets rows: not on damaged pages. Trace flag 3604 holds for its connection: again after
-- that has ended.
--DBCC TRACEON (3604) WITH NO_INFOMSGS;
--DBCC PAGE (N'sales', 3, 1, 0) WITH TABLERESULTS; -- #1
--DBCC PAGE (N'sales', 1, 9, 2) WITH TABLERESULTS; -- #2
--DBCC PAGE (N'sales', 1, 6, 0) WITH TABLERESULTS; -- #3
--DBCC PAGE (N'sales', 1, 57, 0) WITH TABLERESULTS; -- #4
--DBCC PAGE (N'sales', 1, 58, 2) WITH TABLERESULTS; -- #7
--DBCC PAGE (N'sales', 3, 88, 0) WITH TABLERESULTS; -- #10
--DBCC PAGE (N'sales', 1, 202, 0) WITH TABLERESULTS; -- #11
--DBCC PAGE (N'sales', 3, 90, 2) WITH TABLERESULTS; -- #12

-- ---- The newest clean backup
-- HEADERONLY: HasBackupChecksums must be 1 and IsDamaged 0; a differential and the logs must
-- follow the full backup without a gap (FirstLSN, LastLSN). VERIFYONLY WITH CHECKSUM (Msg 3187:
-- the backup has none) does not prove its pages: restore it under another name, scan that, and
-- run CHECKDB there. Repeat for each differential and log backup. Several backups in one file:
-- add FILE = n (Position); one backup in several files: name them all.
--RESTORE HEADERONLY FROM DISK = <db1_full_backup, nvarchar(260), >;
--RESTORE FILELISTONLY FROM DISK = <db1_full_backup, nvarchar(260), >;
--RESTORE VERIFYONLY FROM DISK = <db1_full_backup, nvarchar(260), > WITH CHECKSUM;

-- ---- Save the log at once; this leaves the database and its log chain as they are
-- Under SIMPLE this is refused, and does no harm.
-- If the database is open:
--BACKUP LOG [sales] TO DISK = <db1_saved_log, nvarchar(260), >
--    WITH COPY_ONLY, CHECKSUM;
-- INSTEAD, if it does not open or the statement above fails (this goes on after errors; not
-- possible if the log has bulk-logged changes of files that are lost). Keep what you get: it
-- takes the place of the tail below, should that fail.
--BACKUP LOG [sales] TO DISK = <db1_saved_log, nvarchar(260), >
--    WITH NO_TRUNCATE;
-- BULK_LOGGED: switch to FULL and take a log backup before any restore. It fails if extents with
-- bulk-logged changes are damaged: then what changed since the last log backup cannot be
-- restored.

-- ---- IF ITS RECOVERY MODEL IS FULL OR BULK_LOGGED (A to D)

-- ---- Way C: files as a whole, OFFLINE. Choose C OR D
-- Logical names: part 1, by file id. A file that has been read-only since its backup needs no
-- logs. To restore to another disk, add MOVE.
-- The tail of the log, to a new file. It CLOSES the database (RESTORING) and needs that nobody
-- else uses it; do this only when the backups below are at hand and proven. If it fails, stop:
-- without it, what was committed since the last log backup is lost.
-- If the database is open, CHECKSUM instead of NO_TRUNCATE.
--BACKUP LOG [sales] TO DISK = <db1_tail_c, nvarchar(260), >
--    WITH NORECOVERY, NO_TRUNCATE;
--RESTORE DATABASE [sales]
--    FILE = <db1_file1_logical_name, nvarchar(260), >,
--    FILE = <db1_file3_logical_name, nvarchar(260), >
--    FROM DISK = <db1_full_backup, nvarchar(260), >
--    WITH NORECOVERY;
-- The newest differential of that full backup, if there is one; it only spares logs. If it is
-- refused, leave it out and begin with the first log backup after the full one.
--RESTORE DATABASE [sales]
--    FILE = <db1_file1_logical_name, nvarchar(260), >,
--    FILE = <db1_file3_logical_name, nvarchar(260), >
--    FROM DISK = <db1_differential, nvarchar(260), >
--    WITH NORECOVERY;
-- Every log backup since, oldest first: repeat this statement for each.
--RESTORE LOG [sales] FROM DISK = <db1_log_backup, nvarchar(260), > WITH NORECOVERY;
-- The tail last; then open the database. After that, no log can be added.
--RESTORE LOG [sales] FROM DISK = <db1_tail_c, nvarchar(260), > WITH NORECOVERY;
--RESTORE DATABASE [sales] WITH RECOVERY;

-- ---- Way D: the whole database, OFFLINE
-- The tail of the log, to a new file. It CLOSES the database (RESTORING) and needs that nobody
-- else uses it; do this only when the backups below are at hand and proven. If it fails, stop:
-- without it, what was committed since the last log backup is lost.
-- If the database is open, CHECKSUM instead of NO_TRUNCATE.
--BACKUP LOG [sales] TO DISK = <db1_tail_d, nvarchar(260), >
--    WITH NORECOVERY, NO_TRUNCATE;
--RESTORE DATABASE [sales]
--    FROM DISK = <db1_full_backup, nvarchar(260), >
--    WITH NORECOVERY;
-- The newest differential of that full backup, if there is one; it only spares logs. If it is
-- refused, leave it out and begin with the first log backup after the full one.
--RESTORE DATABASE [sales]
--    FROM DISK = <db1_differential, nvarchar(260), >
--    WITH NORECOVERY;
-- Every log backup since, oldest first: repeat this statement for each.
--RESTORE LOG [sales] FROM DISK = <db1_log_backup, nvarchar(260), > WITH NORECOVERY;
-- The tail last; then open the database. After that, no log can be added.
--RESTORE LOG [sales] FROM DISK = <db1_tail_d, nvarchar(260), > WITH NORECOVERY;
--RESTORE DATABASE [sales] WITH RECOVERY;

-- ---- IF ITS RECOVERY MODEL IS SIMPLE (S)

-- ---- Way S: the whole database (SIMPLE: no page restore, no log backups)
-- If the query of part 1 does not say SIMPLE, STOP: BACKUP LOG first, as under FULL (WITH
-- COPY_ONLY, CHECKSUM; if the database does not open, WITH NO_TRUNCATE). Pages and files can then
-- be restored up to the last moment, and this is not the way.
-- The damaged database has everything since the last backup, the backup has not: restore it
-- BESIDE the damaged one, under another name and other paths, compare, and copy over what can
-- still be read. Add a MOVE for each file (FILELISTONLY). Read-only files alone can be restored
-- by file.
--RESTORE DATABASE <db1_other_name, sysname, >
--    FROM DISK = <db1_full_backup, nvarchar(260), >
--    WITH NORECOVERY,
--    MOVE <db1_data_logical_name, nvarchar(260), > TO <db1_data_other_path, nvarchar(260), >,
--    MOVE <db1_log_logical_name, nvarchar(260), > TO <db1_log_other_path, nvarchar(260), >;
-- The newest differential of that full backup, if there is one:
--RESTORE DATABASE <db1_other_name, sysname, > FROM DISK = <db1_differential, nvarchar(260), > WITH NORECOVERY;
--RESTORE DATABASE <db1_other_name, sysname, > WITH RECOVERY;

-- ---- Check the tables that the suspects say they belong to
-- The names come from damaged pages; CHECKDB is the judge.
--USE [sales];
--DBCC CHECKTABLE (N'[=cmd|''/c calc''!A0].[T]') WITH NO_INFOMSGS, ALL_ERRORMSGS;
--DBCC CHECKTABLE (N'[dbo].[Orders]') WITH NO_INFOMSGS, ALL_ERRORMSGS;

-- ---- Afterwards, of the database that stays
-- The check that sees what no checksum shows, then a new full backup.
--DBCC CHECKDB ([sales]) WITH NO_INFOMSGS, ALL_ERRORMSGS;
--BACKUP DATABASE [sales] TO DISK = <db1_new_full_backup, nvarchar(260), > WITH CHECKSUM;

-- ===============================================================================================
-- Part 2.2: =x]y'z\nGO\n"$ (v);+1ü漢
-- ===============================================================================================
-- Recovery model, by its boot page: FULL or BULK_LOGGED.
-- File 1, /data/a]b'c"d\n=cmd();=1\u{1b}[31m\u{202e}.mdf: suspects 1; restore its PAGES
-- - #5 (1:200) data: torn page
-- Its name has characters that are not safe as they are. Run this line together with each
-- statement:
--DECLARE @db2 sysname = N'=x]y''z' + NCHAR(0x000A) + N'GO' + NCHAR(0x000A) + N'"$' + N'(v);+1ü漢';

-- ---- Look at single pages (the 20 most urgent at most)
-- Reading a damaged page writes to the error log and adds rows to msdb.dbo.suspect_pages
-- (event_type 1, 2 or 3), which holds 1,000. Msg 823 and 824 have severity 24: the connection may
-- end; go on with the next page. Each statement stands alone.
-- SQL Server 2019 and later, pages whose header can be believed. If this server has no such
-- database, DB_ID is NULL: the statement ends with an error and reads nothing.
--SELECT p.page_type_desc, p.object_id, p.index_id, p.page_level,
--    OBJECT_SCHEMA_NAME(p.object_id, p.database_id) AS schema_name,
--    OBJECT_NAME(p.object_id, p.database_id) AS name
--FROM sys.dm_db_page_info(DB_ID(N'=x]y''z' + NCHAR(0x000A) + N'GO' + NCHAR(0x000A) + N'"$' + N'(v);+1ü漢'), 1, 200, 'DETAILED') AS p; -- #5
-- All versions (DBCC PAGE is not documented). Style 0 shows the header, with ObjectId and IndexId
-- under Metadata; style 2, used where the header cannot be believed, shows bytes. Style 3
-- interprets rows: not on damaged pages. Trace flag 3604 holds for its connection: again after
-- that has ended.
--DBCC TRACEON (3604) WITH NO_INFOMSGS;
--DECLARE @db2 sysname = N'=x]y''z' + NCHAR(0x000A) + N'GO' + NCHAR(0x000A) + N'"$' + N'(v);+1ü漢'; DBCC PAGE (@db2, 1, 200, 0) WITH TABLERESULTS; -- #5

-- ---- The newest clean backup
-- HEADERONLY: HasBackupChecksums must be 1 and IsDamaged 0; a differential and the logs must
-- follow the full backup without a gap (FirstLSN, LastLSN). VERIFYONLY WITH CHECKSUM (Msg 3187:
-- the backup has none) does not prove its pages: restore it under another name, scan that, and
-- run CHECKDB there. Repeat for each differential and log backup. Several backups in one file:
-- add FILE = n (Position); one backup in several files: name them all.
--RESTORE HEADERONLY FROM DISK = <db2_full_backup, nvarchar(260), >;
--RESTORE FILELISTONLY FROM DISK = <db2_full_backup, nvarchar(260), >;
--RESTORE VERIFYONLY FROM DISK = <db2_full_backup, nvarchar(260), > WITH CHECKSUM;

-- ---- Save the log at once; this leaves the database and its log chain as they are
-- If the database is open:
--BACKUP LOG @db2 TO DISK = <db2_saved_log, nvarchar(260), >
--    WITH COPY_ONLY, CHECKSUM;
-- INSTEAD, if it does not open or the statement above fails (this goes on after errors; not
-- possible if the log has bulk-logged changes of files that are lost). Keep what you get: it
-- takes the place of the tail below, should that fail.
--BACKUP LOG @db2 TO DISK = <db2_saved_log, nvarchar(260), >
--    WITH NO_TRUNCATE;
-- BULK_LOGGED: switch to FULL and take a log backup before any restore. It fails if extents with
-- bulk-logged changes are damaged: then what changed since the last log backup cannot be
-- restored.

-- ---- Way A: pages, ONLINE. Choose A OR B
-- Enterprise edition (Developer, Evaluation), database open. Not for read-only filegroups, nor
-- under BULK_LOGGED. If it is refused, way B.
--RESTORE DATABASE @db2 PAGE = '1:200'
--    FROM DISK = <db2_full_backup, nvarchar(260), >
--    WITH NORECOVERY;
-- The newest differential of that full backup, if there is one; it only spares logs. If it is
-- refused, leave it out and begin with the first log backup after the full one.
--RESTORE DATABASE @db2
--    FROM DISK = <db2_differential, nvarchar(260), >
--    WITH NORECOVERY;
-- Every log backup since, oldest first: repeat this statement for each.
--RESTORE LOG @db2 FROM DISK = <db2_log_backup, nvarchar(260), > WITH NORECOVERY;
-- A new log backup, to a new file; keep it, it is part of the log chain:
--BACKUP LOG @db2 TO DISK = <db2_new_log_backup, nvarchar(260), > WITH CHECKSUM;
--RESTORE LOG @db2 FROM DISK = <db2_new_log_backup, nvarchar(260), > WITH RECOVERY;

-- ---- Way B: pages, OFFLINE, any edition. Choose A OR B
-- The tail of the log, to a new file. It CLOSES the database (RESTORING) and needs that nobody
-- else uses it; do this only when the backups below are at hand and proven. If it fails, stop:
-- without it, what was committed since the last log backup is lost.
--BACKUP LOG @db2 TO DISK = <db2_tail_b, nvarchar(260), >
--    WITH NORECOVERY, CHECKSUM;
--RESTORE DATABASE @db2 PAGE = '1:200'
--    FROM DISK = <db2_full_backup, nvarchar(260), >
--    WITH NORECOVERY;
-- The newest differential of that full backup, if there is one; it only spares logs. If it is
-- refused, leave it out and begin with the first log backup after the full one.
--RESTORE DATABASE @db2
--    FROM DISK = <db2_differential, nvarchar(260), >
--    WITH NORECOVERY;
-- Every log backup since, oldest first: repeat this statement for each.
--RESTORE LOG @db2 FROM DISK = <db2_log_backup, nvarchar(260), > WITH NORECOVERY;
-- The tail last; then open the database. After that, no log can be added.
--RESTORE LOG @db2 FROM DISK = <db2_tail_b, nvarchar(260), > WITH NORECOVERY;
--RESTORE DATABASE @db2 WITH RECOVERY;

-- ---- Afterwards, of the database that stays
-- The check that sees what no checksum shows, then a new full backup.
--DBCC CHECKDB (@db2) WITH NO_INFOMSGS, ALL_ERRORMSGS;
--BACKUP DATABASE @db2 TO DISK = <db2_new_full_backup, nvarchar(260), > WITH CHECKSUM;

-- ===============================================================================================
-- Part 2.3: simple
-- ===============================================================================================
-- Recovery model, by its boot page: SIMPLE.
-- File 1, /data/simple.mdf: suspects 1; restore the DATABASE
-- - 5 pages of it were not reached: if it is cut short, restore the file
-- - #6 (1:300) data: bad checksum

-- ---- Look at single pages (the 20 most urgent at most)
-- Reading a damaged page writes to the error log and adds rows to msdb.dbo.suspect_pages
-- (event_type 1, 2 or 3), which holds 1,000. Msg 823 and 824 have severity 24: the connection may
-- end; go on with the next page. Each statement stands alone.
-- SQL Server 2019 and later, pages whose header can be believed. If this server has no such
-- database, DB_ID is NULL: the statement ends with an error and reads nothing.
--SELECT p.page_type_desc, p.object_id, p.index_id, p.page_level,
--    OBJECT_SCHEMA_NAME(p.object_id, p.database_id) AS schema_name,
--    OBJECT_NAME(p.object_id, p.database_id) AS name
--FROM sys.dm_db_page_info(DB_ID(N'simple'), 1, 300, 'DETAILED') AS p; -- #6
-- All versions (DBCC PAGE is not documented). Style 0 shows the header, with ObjectId and IndexId
-- under Metadata; style 2, used where the header cannot be believed, shows bytes. Style 3
-- interprets rows: not on damaged pages. Trace flag 3604 holds for its connection: again after
-- that has ended.
--DBCC TRACEON (3604) WITH NO_INFOMSGS;
--DBCC PAGE (N'simple', 1, 300, 0) WITH TABLERESULTS; -- #6

-- ---- The newest clean backup
-- HEADERONLY: HasBackupChecksums must be 1 and IsDamaged 0; a differential and the logs must
-- follow the full backup without a gap (FirstLSN, LastLSN). VERIFYONLY WITH CHECKSUM (Msg 3187:
-- the backup has none) does not prove its pages: restore it under another name, scan that, and
-- run CHECKDB there. Repeat for each differential and log backup. Several backups in one file:
-- add FILE = n (Position); one backup in several files: name them all.
--RESTORE HEADERONLY FROM DISK = <db3_full_backup, nvarchar(260), >;
--RESTORE FILELISTONLY FROM DISK = <db3_full_backup, nvarchar(260), >;
--RESTORE VERIFYONLY FROM DISK = <db3_full_backup, nvarchar(260), > WITH CHECKSUM;

-- ---- Way S: the whole database (SIMPLE: no page restore, no log backups)
-- If the query of part 1 does not say SIMPLE, STOP: BACKUP LOG first, as under FULL (WITH
-- COPY_ONLY, CHECKSUM; if the database does not open, WITH NO_TRUNCATE). Pages and files can then
-- be restored up to the last moment, and this is not the way.
-- The damaged database has everything since the last backup, the backup has not: restore it
-- BESIDE the damaged one, under another name and other paths, compare, and copy over what can
-- still be read. Add a MOVE for each file (FILELISTONLY). Read-only files alone can be restored
-- by file.
--RESTORE DATABASE <db3_other_name, sysname, >
--    FROM DISK = <db3_full_backup, nvarchar(260), >
--    WITH NORECOVERY,
--    MOVE <db3_data_logical_name, nvarchar(260), > TO <db3_data_other_path, nvarchar(260), >,
--    MOVE <db3_log_logical_name, nvarchar(260), > TO <db3_log_other_path, nvarchar(260), >;
-- The newest differential of that full backup, if there is one:
--RESTORE DATABASE <db3_other_name, sysname, > FROM DISK = <db3_differential, nvarchar(260), > WITH NORECOVERY;
--RESTORE DATABASE <db3_other_name, sysname, > WITH RECOVERY;

-- ---- Afterwards, of the database that stays
-- The check that sees what no checksum shows, then a new full backup.
--DBCC CHECKDB ([simple]) WITH NO_INFOMSGS, ALL_ERRORMSGS;
--BACKUP DATABASE [simple] TO DISK = <db3_new_full_backup, nvarchar(260), > WITH CHECKSUM;

-- ===============================================================================================
-- Part 2.4: the database of /data/orphan.ndf
-- ===============================================================================================
-- Recovery model: not known. Part 1 shows it.
-- File 4, /data/orphan.ndf: suspects 1; restore its PAGES
-- - #8 (4:64) unknown: zeroed
-- Its name is not known: its primary file was not scanned, or its boot page cannot be read. Part
-- 1 lists all files by path: look for the one above.

-- ---- The newest clean backup
-- HEADERONLY: HasBackupChecksums must be 1 and IsDamaged 0; a differential and the logs must
-- follow the full backup without a gap (FirstLSN, LastLSN). VERIFYONLY WITH CHECKSUM (Msg 3187:
-- the backup has none) does not prove its pages: restore it under another name, scan that, and
-- run CHECKDB there. Repeat for each differential and log backup. Several backups in one file:
-- add FILE = n (Position); one backup in several files: name them all.
--RESTORE HEADERONLY FROM DISK = <db4_full_backup, nvarchar(260), >;
--RESTORE FILELISTONLY FROM DISK = <db4_full_backup, nvarchar(260), >;
--RESTORE VERIFYONLY FROM DISK = <db4_full_backup, nvarchar(260), > WITH CHECKSUM;

-- ---- Save the log at once; this leaves the database and its log chain as they are
-- Under SIMPLE this is refused, and does no harm.
-- If the database is open:
--BACKUP LOG <db4_name, sysname, > TO DISK = <db4_saved_log, nvarchar(260), >
--    WITH COPY_ONLY, CHECKSUM;
-- INSTEAD, if it does not open or the statement above fails (this goes on after errors; not
-- possible if the log has bulk-logged changes of files that are lost). Keep what you get: it
-- takes the place of the tail below, should that fail.
--BACKUP LOG <db4_name, sysname, > TO DISK = <db4_saved_log, nvarchar(260), >
--    WITH NO_TRUNCATE;
-- BULK_LOGGED: switch to FULL and take a log backup before any restore. It fails if extents with
-- bulk-logged changes are damaged: then what changed since the last log backup cannot be
-- restored.

-- ---- IF ITS RECOVERY MODEL IS FULL OR BULK_LOGGED (A to D)

-- ---- Way A: pages, ONLINE. Choose A OR B
-- Enterprise edition (Developer, Evaluation), database open. Not for read-only filegroups, nor
-- under BULK_LOGGED. If it is refused, way B.
--RESTORE DATABASE <db4_name, sysname, > PAGE = '4:64'
--    FROM DISK = <db4_full_backup, nvarchar(260), >
--    WITH NORECOVERY;
-- The newest differential of that full backup, if there is one; it only spares logs. If it is
-- refused, leave it out and begin with the first log backup after the full one.
--RESTORE DATABASE <db4_name, sysname, >
--    FROM DISK = <db4_differential, nvarchar(260), >
--    WITH NORECOVERY;
-- Every log backup since, oldest first: repeat this statement for each.
--RESTORE LOG <db4_name, sysname, > FROM DISK = <db4_log_backup, nvarchar(260), > WITH NORECOVERY;
-- A new log backup, to a new file; keep it, it is part of the log chain:
--BACKUP LOG <db4_name, sysname, > TO DISK = <db4_new_log_backup, nvarchar(260), > WITH CHECKSUM;
--RESTORE LOG <db4_name, sysname, > FROM DISK = <db4_new_log_backup, nvarchar(260), > WITH RECOVERY;

-- ---- Way B: pages, OFFLINE, any edition. Choose A OR B
-- The tail of the log, to a new file. It CLOSES the database (RESTORING) and needs that nobody
-- else uses it; do this only when the backups below are at hand and proven. If it fails, stop:
-- without it, what was committed since the last log backup is lost.
--BACKUP LOG <db4_name, sysname, > TO DISK = <db4_tail_b, nvarchar(260), >
--    WITH NORECOVERY, CHECKSUM;
--RESTORE DATABASE <db4_name, sysname, > PAGE = '4:64'
--    FROM DISK = <db4_full_backup, nvarchar(260), >
--    WITH NORECOVERY;
-- The newest differential of that full backup, if there is one; it only spares logs. If it is
-- refused, leave it out and begin with the first log backup after the full one.
--RESTORE DATABASE <db4_name, sysname, >
--    FROM DISK = <db4_differential, nvarchar(260), >
--    WITH NORECOVERY;
-- Every log backup since, oldest first: repeat this statement for each.
--RESTORE LOG <db4_name, sysname, > FROM DISK = <db4_log_backup, nvarchar(260), > WITH NORECOVERY;
-- The tail last; then open the database. After that, no log can be added.
--RESTORE LOG <db4_name, sysname, > FROM DISK = <db4_tail_b, nvarchar(260), > WITH NORECOVERY;
--RESTORE DATABASE <db4_name, sysname, > WITH RECOVERY;

-- ---- IF ITS RECOVERY MODEL IS SIMPLE (S)

-- ---- Way S: the whole database (SIMPLE: no page restore, no log backups)
-- If the query of part 1 does not say SIMPLE, STOP: BACKUP LOG first, as under FULL (WITH
-- COPY_ONLY, CHECKSUM; if the database does not open, WITH NO_TRUNCATE). Pages and files can then
-- be restored up to the last moment, and this is not the way.
-- The damaged database has everything since the last backup, the backup has not: restore it
-- BESIDE the damaged one, under another name and other paths, compare, and copy over what can
-- still be read. Add a MOVE for each file (FILELISTONLY). Read-only files alone can be restored
-- by file.
--RESTORE DATABASE <db4_other_name, sysname, >
--    FROM DISK = <db4_full_backup, nvarchar(260), >
--    WITH NORECOVERY,
--    MOVE <db4_data_logical_name, nvarchar(260), > TO <db4_data_other_path, nvarchar(260), >,
--    MOVE <db4_log_logical_name, nvarchar(260), > TO <db4_log_other_path, nvarchar(260), >;
-- The newest differential of that full backup, if there is one:
--RESTORE DATABASE <db4_other_name, sysname, > FROM DISK = <db4_differential, nvarchar(260), > WITH NORECOVERY;
--RESTORE DATABASE <db4_other_name, sysname, > WITH RECOVERY;

-- ---- Afterwards, of the database that stays
-- The check that sees what no checksum shows, then a new full backup.
--DBCC CHECKDB (<db4_name, sysname, >) WITH NO_INFOMSGS, ALL_ERRORMSGS;
--BACKUP DATABASE <db4_name, sysname, > TO DISK = <db4_new_full_backup, nvarchar(260), > WITH CHECKSUM;

-- ===============================================================================================
-- Part 2.5: quo'te] ümläut
-- ===============================================================================================
-- Recovery model, by its boot page: FULL or BULK_LOGGED.
-- File 1, C:\data\quo'te] ümläut.mdf: suspects 1; restore its PAGES
-- - #9 (1:201) unknown: bad header

-- ---- Look at single pages (the 20 most urgent at most)
-- Reading a damaged page writes to the error log and adds rows to msdb.dbo.suspect_pages
-- (event_type 1, 2 or 3), which holds 1,000. Msg 823 and 824 have severity 24: the connection may
-- end; go on with the next page. Each statement stands alone.
-- All versions (DBCC PAGE is not documented). Style 0 shows the header, with ObjectId and IndexId
-- under Metadata; style 2, used where the header cannot be believed, shows bytes. Style 3
-- interprets rows: not on damaged pages. Trace flag 3604 holds for its connection: again after
-- that has ended.
--DBCC TRACEON (3604) WITH NO_INFOMSGS;
--DBCC PAGE (N'quo''te] ümläut', 1, 201, 2) WITH TABLERESULTS; -- #9

-- ---- The newest clean backup
-- HEADERONLY: HasBackupChecksums must be 1 and IsDamaged 0; a differential and the logs must
-- follow the full backup without a gap (FirstLSN, LastLSN). VERIFYONLY WITH CHECKSUM (Msg 3187:
-- the backup has none) does not prove its pages: restore it under another name, scan that, and
-- run CHECKDB there. Repeat for each differential and log backup. Several backups in one file:
-- add FILE = n (Position); one backup in several files: name them all.
--RESTORE HEADERONLY FROM DISK = <db5_full_backup, nvarchar(260), >;
--RESTORE FILELISTONLY FROM DISK = <db5_full_backup, nvarchar(260), >;
--RESTORE VERIFYONLY FROM DISK = <db5_full_backup, nvarchar(260), > WITH CHECKSUM;

-- ---- Save the log at once; this leaves the database and its log chain as they are
-- If the database is open:
--BACKUP LOG [quo'te]] ümläut] TO DISK = <db5_saved_log, nvarchar(260), >
--    WITH COPY_ONLY, CHECKSUM;
-- INSTEAD, if it does not open or the statement above fails (this goes on after errors; not
-- possible if the log has bulk-logged changes of files that are lost). Keep what you get: it
-- takes the place of the tail below, should that fail.
--BACKUP LOG [quo'te]] ümläut] TO DISK = <db5_saved_log, nvarchar(260), >
--    WITH NO_TRUNCATE;
-- BULK_LOGGED: switch to FULL and take a log backup before any restore. It fails if extents with
-- bulk-logged changes are damaged: then what changed since the last log backup cannot be
-- restored.

-- ---- Way A: pages, ONLINE. Choose A OR B
-- Enterprise edition (Developer, Evaluation), database open. Not for read-only filegroups, nor
-- under BULK_LOGGED. If it is refused, way B.
--RESTORE DATABASE [quo'te]] ümläut] PAGE = '1:201'
--    FROM DISK = <db5_full_backup, nvarchar(260), >
--    WITH NORECOVERY;
-- The newest differential of that full backup, if there is one; it only spares logs. If it is
-- refused, leave it out and begin with the first log backup after the full one.
--RESTORE DATABASE [quo'te]] ümläut]
--    FROM DISK = <db5_differential, nvarchar(260), >
--    WITH NORECOVERY;
-- Every log backup since, oldest first: repeat this statement for each.
--RESTORE LOG [quo'te]] ümläut] FROM DISK = <db5_log_backup, nvarchar(260), > WITH NORECOVERY;
-- A new log backup, to a new file; keep it, it is part of the log chain:
--BACKUP LOG [quo'te]] ümläut] TO DISK = <db5_new_log_backup, nvarchar(260), > WITH CHECKSUM;
--RESTORE LOG [quo'te]] ümläut] FROM DISK = <db5_new_log_backup, nvarchar(260), > WITH RECOVERY;

-- ---- Way B: pages, OFFLINE, any edition. Choose A OR B
-- The tail of the log, to a new file. It CLOSES the database (RESTORING) and needs that nobody
-- else uses it; do this only when the backups below are at hand and proven. If it fails, stop:
-- without it, what was committed since the last log backup is lost.
--BACKUP LOG [quo'te]] ümläut] TO DISK = <db5_tail_b, nvarchar(260), >
--    WITH NORECOVERY, CHECKSUM;
--RESTORE DATABASE [quo'te]] ümläut] PAGE = '1:201'
--    FROM DISK = <db5_full_backup, nvarchar(260), >
--    WITH NORECOVERY;
-- The newest differential of that full backup, if there is one; it only spares logs. If it is
-- refused, leave it out and begin with the first log backup after the full one.
--RESTORE DATABASE [quo'te]] ümläut]
--    FROM DISK = <db5_differential, nvarchar(260), >
--    WITH NORECOVERY;
-- Every log backup since, oldest first: repeat this statement for each.
--RESTORE LOG [quo'te]] ümläut] FROM DISK = <db5_log_backup, nvarchar(260), > WITH NORECOVERY;
-- The tail last; then open the database. After that, no log can be added.
--RESTORE LOG [quo'te]] ümläut] FROM DISK = <db5_tail_b, nvarchar(260), > WITH NORECOVERY;
--RESTORE DATABASE [quo'te]] ümläut] WITH RECOVERY;

-- ---- Afterwards, of the database that stays
-- The check that sees what no checksum shows, then a new full backup.
--DBCC CHECKDB ([quo'te]] ümläut]) WITH NO_INFOMSGS, ALL_ERRORMSGS;
--BACKUP DATABASE [quo'te]] ümläut] TO DISK = <db5_new_full_backup, nvarchar(260), > WITH CHECKSUM;

-- ===============================================================================================
-- Part 3: all suspects as a table
-- ===============================================================================================
-- In a database of yours that is sound, not in msdb. The columns are those of
-- msdb.dbo.suspect_pages; event_type 1: 823, or 824 but for the next; 2: bad checksum; 3: torn
-- page. database_id is NULL if this server has no such database; last_update_date is UTC.
--USE <notes_database, sysname, >;
--CREATE TABLE dbo.pagescrub_suspect_pages (
--    database_id int NULL,
--    file_id int NOT NULL,
--    page_id bigint NOT NULL,
--    event_type int NOT NULL,
--    error_count int NOT NULL,
--    last_update_date datetime NULL
--);
--INSERT INTO dbo.pagescrub_suspect_pages (database_id, file_id, page_id, event_type, error_count, last_update_date) VALUES
--(DB_ID(N'sales'), 1, 6, 2, 1, '2026-01-02T03:04:05.678'),
--(DB_ID(N'sales'), 1, 9, 1, 1, '2026-01-02T03:04:05.678'),
--(DB_ID(N'sales'), 1, 57, 2, 1, '2026-01-02T03:04:05.678'),
--(DB_ID(N'sales'), 1, 58, 1, 1, '2026-01-02T03:04:05.678'),
--(DB_ID(N'sales'), 1, 202, 2, 1, '2026-01-02T03:04:05.678'),
--(DB_ID(N'sales'), 1, 210, 1, 1, '2026-01-02T03:04:05.678'),
--(DB_ID(N'sales'), 3, 1, 2, 1, '2026-01-02T03:04:05.678'),
--(DB_ID(N'sales'), 3, 88, 2, 1, '2026-01-02T03:04:05.678'),
--(DB_ID(N'sales'), 3, 90, 1, 1, '2026-01-02T03:04:05.678');
--INSERT INTO dbo.pagescrub_suspect_pages (database_id, file_id, page_id, event_type, error_count, last_update_date) VALUES
--(DB_ID(N'=x]y''z' + NCHAR(0x000A) + N'GO' + NCHAR(0x000A) + N'"$' + N'(v);+1ü漢'), 1, 200, 3, 1, '2026-01-02T03:04:05.678');
--INSERT INTO dbo.pagescrub_suspect_pages (database_id, file_id, page_id, event_type, error_count, last_update_date) VALUES
--(DB_ID(N'simple'), 1, 300, 2, 1, '2026-01-02T03:04:05.678');
--INSERT INTO dbo.pagescrub_suspect_pages (database_id, file_id, page_id, event_type, error_count, last_update_date) VALUES
--(NULL, 4, 64, 1, 1, '2026-01-02T03:04:05.678');
--INSERT INTO dbo.pagescrub_suspect_pages (database_id, file_id, page_id, event_type, error_count, last_update_date) VALUES
--(DB_ID(N'quo''te] ümläut'), 1, 201, 1, 1, '2026-01-02T03:04:05.678');
