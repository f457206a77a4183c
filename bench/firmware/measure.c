/* The first process of a box that is measured. It starts the box's own in its place, and beside it
   a process that says on the console, every five seconds, how much memory user space holds: the sum
   of PSS, in which a page that several share counts once. Only bench/firmware.py uses this. */

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static long pss(const char *pid, char *name, size_t room) {
    char path[64], line[256];
    long found = 0;
    snprintf(path, sizeof path, "/proc/%s/cmdline", pid);
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(name, 1, room - 1, file) : 0;
    if (file) fclose(file);
    name[length] = 0;
    /* The role of a child stands last. */
    for (size_t at = 0; at + 1 < length; at++)
        if (!name[at]) name[at] = ' ';
    snprintf(path, sizeof path, "/proc/%s/smaps_rollup", pid);
    file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Pss: %ld", &found) == 1) break;
    if (file) fclose(file);
    return found;
}

static void measure(void) {
    for (;;) {
        sleep(5);
        DIR *proc = opendir("/proc");
        if (!proc) continue;
        char said[1024];
        size_t used = 0;
        long sum = 0;
        for (struct dirent *entry; (entry = readdir(proc));) {
            if (!isdigit(entry->d_name[0]) || atoi(entry->d_name) == getpid()) continue;
            char name[64];
            long held = pss(entry->d_name, name, sizeof name);
            if (!held || used > sizeof said - 128) continue;
            sum += held;
            used += snprintf(said + used, sizeof said - used, "; %s %ld", name, held);
        }
        closedir(proc);
        int console = open("/dev/console", O_WRONLY | O_NOCTTY);
        if (console < 0) continue;
        dprintf(console, "measured: %ld KiB%.*s\r\n", sum, (int)used, said);
        close(console);
    }
}

int main(void) {
    if (fork() == 0) {
        measure();
        return 0;
    }
    char *words[] = {"/init", NULL};
    execv("/init.real", words);
    return 1;
}
