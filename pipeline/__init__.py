"""The running line: roles, loops, settings, command line. Sole importer of faust and aiokafka."""
