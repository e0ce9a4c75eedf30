# Makes accuracy_latency.svg and accuracy_latency.png from accuracy_latency.csv:  gnuplot accuracy_latency.gp
set datafile separator comma
set encoding utf8
set border 3 lc rgb '#606060'
set tics nomirror out tc rgb '#303030'
set grid lc rgb '#e4e4e4' lt 1
set key above left horizontal noenhanced Left reverse samplen 1.5 width 1 tc rgb '#303030'
set xlabel 'latency of the hardware model (ms)'
set ylabel 'accuracy (%)'
set offsets graph 0.03, graph 0.03, graph 0.05, graph 0.03
set arrow from 0.15, graph 0 to 0.15, graph 1 nohead dt 3 lc rgb '#b0b0b0' back
set arrow from 0.4, graph 0 to 0.4, graph 1 nohead dt 3 lc rgb '#b0b0b0' back
set arrow from 1.2, graph 0 to 1.2, graph 1 nohead dt 3 lc rgb '#b0b0b0' back
set terminal svg size 760,460 font 'Helvetica,Arial,sans-serif,13' background rgb 'white' name 'accuracy_latency'
set output 'accuracy_latency.svg'
plot 'accuracy_latency.csv' using (strcol(1) eq 'random' ? $2 : NaN):3 with points pt 6 ps 0.5 lc rgb '#8c8c8c' title 'random', \
     'accuracy_latency.csv' using (strcol(1) eq 'random front' ? $2 : NaN):3 with steps lw 1.5 lc rgb '#8c8c8c' title 'random front', \
     'accuracy_latency.csv' using (strcol(1) eq 'uniform' ? $2 : NaN):3 with points pt 4 ps 0.5 lc rgb '#009e73' title 'uniform bits', \
     'accuracy_latency.csv' using (strcol(1) eq 'uniform front' ? $2 : NaN):3 with steps lw 1.5 lc rgb '#009e73' title 'uniform bits front', \
     'accuracy_latency.csv' using (strcol(1) eq 'islands' ? $2 : NaN):3 with points pt 7 ps 0.45 lc rgb '#0072b2' title 'islands', \
     'accuracy_latency.csv' using (strcol(1) eq 'islands front' ? $2 : NaN):3 with steps lw 2 lc rgb '#0072b2' title 'islands front', \
     'accuracy_latency.csv' using (strcol(1) eq 'test' ? $2 : NaN):3 with points pt 9 ps 1.2 lc rgb '#d55e00' title 'test set'
set terminal pngcairo size 1520,920 font 'Helvetica,13' fontscale 1.7 linewidth 2 pointscale 2
set output 'accuracy_latency.png'
replot
set output
