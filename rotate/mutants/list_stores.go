package main

const (
	storeFile     = "rotate/filestore/filestore.go"
	directoryFile = "rotate/filestore/directory.go"
	frameFile     = "rotate/filestore/frame.go"
	memoryFile    = "rotate/memstore/memstore.go"
)

// storeMutants break what a store promises.
var storeMutants = []mutant{
	{"the flush of a new file is dropped", "R1", directoryFile, "\treturn f.Sync()\n", "\treturn nil\n"},
	{
		"the flush of the directory after the rename is dropped", "R1", directoryFile,
		`return d.wrap("save", d.disk.Sync())`, `return nil`,
	},
	{
		"the flush of what another has saved is dropped", "R1", storeFile,
		"if err := d.disk.Sync(); err != nil {", "if err := error(nil); err != nil {",
	},
	{
		"the directory is flushed before the rename, not after", "R1", directoryFile,
		`	if err := d.disk.Rename(d.newName(), d.name); err != nil {
		return d.wrap("save", err)
	}
	return d.wrap("save", d.disk.Sync())`,
		`	if err := d.disk.Sync(); err != nil {
		return d.wrap("save", err)
	}
	return d.wrap("save", d.disk.Rename(d.newName(), d.name))`,
	},
	{
		"the file is written in place", "F19", directoryFile,
		`	if err := write(d.newName(), text); err != nil {
		return d.wrap("save", err)
	}
	if err := d.disk.Rename(d.newName(), d.name); err != nil {`,
		`	_ = write
	if err := d.write(d.name, os.O_CREATE, text); err != nil {`,
	},
	{
		"a flush that failed is tried again on the same file", "F4", directoryFile,
		"again := d.disk.Rename(d.reserveName(), name)", "again := error(nil)",
	},
	{
		"no room is kept for the next Save", "F4", directoryFile,
		"kept, write := d.keepReserve(), d.create", "kept, write := error(nil), d.create",
	},
	{
		"what comes before a reset takes the reserve", "F4", directoryFile,
		"case kept == nil && more:", "case kept == nil:",
	},
	{
		"a secret is not stored where there is no room for two", "F4", directoryFile,
		"case kept != nil && !more:", "case kept != nil:",
	},
	{
		"a rescue token takes the reserve", "F4", directoryFile,
		"	if r.Replacement != nil {\n", "	if r.Intent != nil {\n		all = append(all, rotate.Candidate{Secret: r.Intent.Rescue})\n	}\n	if r.Replacement != nil {\n",
	},
	{
		"a reserve that could not be written is kept", "F4", directoryFile,
		"return errors.Join(err, d.remove(d.reserveName()))", "return err",
	},
	{
		"the reserve's tail is left behind the record", "F19", directoryFile,
		"if flag&os.O_CREATE == 0 {", "if flag&os.O_TRUNC != 0 {",
	},
	{
		"a whole new file that a crash left is thrown away", "R10", directoryFile,
		"case next.Version == current.Version+1:", "case next.Version == 0 && current.Version == 0:",
	},
	{
		"an old new file takes the file's place", "I8", directoryFile,
		"case next.Version == current.Version+1:", "case next.Version != current.Version+2:",
	},
	{
		"what a crash left is renamed and not written again", "R1", directoryFile,
		`	if err := d.put(d.againName(), text); err != nil {
		return err
	}
	if err := d.disk.Rename(d.againName(), d.name); err != nil {`,
		`	if err := d.disk.Rename(d.newName(), d.name); err != nil {`,
	},
	{
		"a torn new file stops the store", "F19", directoryFile,
		`return d.wrap("remove what a crash left", d.disk.Remove(d.newName()))
	case err != nil:`,
		`return err
	case err != nil:`,
	},
	{
		"what a newer version left in a crash is thrown away", "R1", directoryFile,
		"\t\treturn nil\n\tcase errors.Is(err, rotate.ErrCorrupt) && !errors.Is(err, errVersion):",
		"\t\treturn nil\n\tcase errors.Is(err, rotate.ErrCorrupt):",
	},
	{
		"the version is not compared", "R10", storeFile,
		"if current.Version != ifVersion {", "if current.Version == ^uint64(0) {",
	},
	{
		"only a version from the future conflicts", "R10", storeFile,
		"if current.Version != ifVersion {", "if current.Version < ifVersion {",
	},
	{
		"the version is the caller's", "R10", storeFile,
		"record.Version = ifVersion + 1\n", "record.Version = max(record.Version, ifVersion) + 1\n",
	},
	{
		"a file that went back in time is taken", "F37", storeFile,
		"case record.Version < seen:", "case record.Version+1000 < seen:",
	},
	{
		"a Save does not remember its version", "F37", storeFile,
		`	s.see(record.Version)
	return record.Version, nil`,
		"	return record.Version, nil",
	},
	{
		"the checksum is not looked at", "F19", frameFile,
		"if !ok || !bytes.Equal(header(word, payload), text[:len(first)+1]) {", "if !ok {",
	},
	{
		"a later format is read as this one", "F19", frameFile,
		"if string(word) != magic {", "if false {",
	},
	{
		"the lock is shared", "R10", "rotate/filestore/lock_flock.go",
		"syscall.LOCK_EX|syscall.LOCK_NB", "syscall.LOCK_SH|syscall.LOCK_NB",
	},
	{
		"the file is for all to read", "S17", "rotate/filestore/disk.go",
		"r.OpenFile(name, flag, 0o600)", "r.OpenFile(name, flag, 0o644)",
	},
	{
		"a file that others may read is taken", "S17", "rotate/filestore/system_unix.go",
		"case info.Mode().Perm()&0o077 != 0:", "case info.Mode().Perm()&0o007 != 0:",
	},
	{
		"a link is followed", "S17", directoryFile,
		"	if err := checkFile(named); err != nil {\n\t\treturn rotate.Record{}, err\n\t}\n", "",
	},
	{
		"memory: the version is not compared", "R10", memoryFile,
		"if s.record.Version != ifVersion {", "if s.record.Version < ifVersion {",
	},
	{
		"memory: the caller's slices are kept", "R10", memoryFile,
		"s.record = record.Clone()", "s.record = record",
	},
}
